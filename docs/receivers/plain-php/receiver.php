<?php

// A receiver in plain PHP: verifies, answers at once, works later, and does nothing twice.
//
//   SECRET=… php -S 127.0.0.1:9000 receiver.php     receives; in production, the same file behind PHP-FPM
//   php receiver.php                                does what waits: from cron or a timer of systemd, as often as you like

declare(strict_types=1);

const FRESH_SECONDS = 300;
$folder = getenv('FOLDER') ?: 'received';
foreach (['events', 'done'] as $name) {
    is_dir("$folder/$name") || mkdir("$folder/$name", 0700, true);
}

/** Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one. */
function is_valid(string $id, string $time, string $signatures, string $body): bool
{
    $secret = getenv('SECRET');
    $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6)) : $secret;
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
    $fits = array_filter(explode(' ', $signatures), fn (string $given) => hash_equals($expected, $given));
    return preg_match('/^\w+$/D', $id) && abs(time() - (int) $time) < FRESH_SECONDS && $fits;
}

/** Whole or not at all, and only once: a link to a name that is taken fails. */
function keep(string $folder, string $id, string $body): void
{
    $temporary = tempnam($folder, 'new');
    file_put_contents($temporary, $body);
    @link($temporary, "$folder/events/$id");
    unlink($temporary);
}

if (PHP_SAPI === 'cli') {
    // One at a time, however often it is started.
    $lock = fopen("$folder/lock", 'c');
    flock($lock, LOCK_EX);
    foreach (array_diff(scandir("$folder/events"), scandir("$folder/done")) as $id) {
        $event = json_decode(file_get_contents("$folder/events/$id"), true);
        echo "worked $id {$event['event']}\n"; // Open the ticket, ask the other service: here it may take its time.
        touch("$folder/done/$id");
    }
    exit;
}

[$id, $time, $signatures] = array_map(fn (string $name) => $_SERVER["HTTP_WEBHOOK_$name"] ?? '', ['ID', 'TIMESTAMP', 'SIGNATURE']);
$body = file_get_contents('php://input');
if (!is_valid($id, $time, $signatures, $body)) {
    http_response_code(401);
    exit;
}
keep($folder, $id, $body);
http_response_code(is_file("$folder/events/$id") ? 204 : 503);
