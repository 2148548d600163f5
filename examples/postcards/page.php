<?php
// The page: it lies beside the folder that visitors see, so that nobody asks for it by itself.

/** Text that a visitor wrote, as part of a page. */
function shown(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES, 'UTF-8');
}

?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Postcards</title>
<link rel="stylesheet" href="/style.css">
<h1><a href="/">Postcards</a></h1>
<?php if (http_response_code() === 404) { ?>
<p>There is no such card.</p>
<?php } ?>
<?php foreach ($cards as $card) { ?>
<article>
  <h2><a href="/card/<?= $card['id'] ?>"><?= shown($card['place']) ?></a></h2>
  <p><?= nl2br(shown($card['text'])) ?></p>
</article>
<?php } ?>
<form method="post" action="/">
  <input name="place" required maxlength="80" placeholder="Greetings from">
  <textarea name="text" required placeholder="The weather is fine."></textarea>
  <button>Send</button>
</form>
</html>
