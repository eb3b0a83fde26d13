<?php

declare(strict_types=1);

// GET /api.php?text=...  or  POST /api.php with {"text": "..."}: counts words.

function answer(int $status, array $value): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
    exit;
}

$method = $_SERVER['REQUEST_METHOD'];
if ($method === 'POST') {
    $input = json_decode(file_get_contents('php://input'), true);
    $text = is_array($input) ? ($input['text'] ?? null) : null;
} elseif ($method === 'GET' || $method === 'HEAD') {
    $text = $_GET['text'] ?? null;
} else {
    header('Allow: GET, HEAD, POST');
    answer(405, ['error' => 'use GET or POST']);
}
if (!is_string($text)) {
    answer(400, ['error' => 'expected a text: {"text": "..."}']);
}

$words = preg_split('/\s+/u', $text, -1, PREG_SPLIT_NO_EMPTY);
if ($words === false) {
    answer(400, ['error' => 'the text is not UTF-8']);
}
answer(200, ['words' => count($words), 'bytes' => strlen($text), 'sha256' => hash('sha256', $text)]);
