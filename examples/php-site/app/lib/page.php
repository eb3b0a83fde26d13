<?php

declare(strict_types=1);

// Text of a visitor is text: never markup.
function text(string $value): string
{
    return htmlspecialchars($value, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function page(string $title, string $content): void
{
    header('Content-Type: text/html; charset=utf-8');
    echo "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    echo '<meta name="viewport" content="width=device-width">' . "\n";
    echo '<title>' . text($title) . "</title>\n";
    echo "<style>body{font:16px/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}";
    echo "td{padding-right:1rem}</style>\n</head>\n<body>\n";
    echo '<h1>' . text($title) . "</h1>\n" . $content . "\n</body>\n</html>\n";
}
