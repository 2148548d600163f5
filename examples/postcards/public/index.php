<?php
// Postcards: a site of one page in PHP, with the database that davy runs for it.
// Every path that is no file comes here: /card/3 is the third card.

declare(strict_types=1);

$db = new PDO(
    'mysql:unix_socket=' . getenv('DB_SOCKET') . ';dbname=' . getenv('DB_NAME') . ';charset=utf8mb4',
    getenv('DB_USER'),
    getenv('DB_PASSWORD'),
);
$db->exec('CREATE TABLE IF NOT EXISTS cards (
    id INT AUTO_INCREMENT PRIMARY KEY, place TEXT NOT NULL, text TEXT NOT NULL)');

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $card = $db->prepare('INSERT INTO cards (place, text) VALUES (?, ?)');
    $card->execute([$_POST['place'] ?? '', $_POST['text'] ?? '']);
    header('Location: /card/' . $db->lastInsertId(), true, 303);
    exit;
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/') {
    $cards = $db->query('SELECT * FROM cards ORDER BY id DESC LIMIT 50')->fetchAll();
} elseif (preg_match('#^/card/(\d+)$#', $path, $found)) {
    $query = $db->prepare('SELECT * FROM cards WHERE id = ?');
    $query->execute([$found[1]]);
    $cards = $query->fetchAll();
}
if (!isset($cards) || ($path !== '/' && !$cards)) {
    http_response_code(404);
    $cards = [];
}

require __DIR__ . '/../page.php';
