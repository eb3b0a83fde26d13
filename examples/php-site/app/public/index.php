<?php

declare(strict_types=1);

require __DIR__ . '/../lib/page.php';

$path = $_SERVER['PATH_INFO'] ?? '/';
if ($path !== '/' && $path !== '') {
    http_response_code(404);
    page('Not found', '<p>There is no page ' . text($path) . '. <a href="/">Back</a></p>');
    exit;
}

// The instance is gone after this answer; what must last goes to the visitor (a cookie) or to a database.
$visits = filter_var($_COOKIE['visits'] ?? '0', FILTER_VALIDATE_INT, ['options' => ['min_range' => 0]]) ?: 0;
$visits += 1;
setcookie('visits', (string) $visits, ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);

$greeting = '';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $name = trim((string) ($_POST['name'] ?? ''));
    if ($name === '' || character_count($name) > 60) {
        http_response_code(422);
        $greeting = '<p><strong>A name has 1 to 60 characters.</strong></p>';
    } else {
        $greeting = '<p><strong>Hello, ' . text($name) . '!</strong></p>';
    }
}

function character_count(string $value): int
{
    return preg_match_all('/./us', $value) ?: strlen($value);
}

$rows = '';
$facts = [
    'PHP' => PHP_VERSION . ' (' . PHP_SAPI . ', ' . PHP_OS . ')',
    'Request' => $_SERVER['REQUEST_METHOD'] . ' ' . $_SERVER['REQUEST_URI'],
    'From' => $_SERVER['REMOTE_ADDR'] ?? '',
    'Visits' => (string) $visits,
];
foreach ($facts as $name => $value) {
    $rows .= '<tr><td>' . text($name) . '</td><td>' . text($value) . "</td></tr>\n";
}

// Set by app.yaml when it is deployed.
page(getenv('SITE_TITLE') ?: 'PHP on Selvedge', <<<HTML
{$greeting}<form method="post" action="/">
<label>Your name <input name="name" maxlength="60" required></label>
<button>Greet</button>
</form>
<table>
{$rows}</table>
<p>There is also a JSON endpoint: <a href="/api.php?text=one+two+three">/api.php</a></p>
HTML);
