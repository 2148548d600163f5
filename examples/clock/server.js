// A clock for everybody: each browser that shows the page gets the server's time, once a second, as
// server-sent events. Node's own modules suffice; davy says on which port to listen.

const { createReadStream } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const watching = new Set();

createServer((request, response) => {
  if (request.url === '/time') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    tell(response);
    watching.add(response);
    response.on('close', () => watching.delete(response));
  } else if (request.url === '/') {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    createReadStream(join(__dirname, 'page.html')).pipe(response);
  } else {
    response.writeHead(404).end();
  }
}).listen(process.env.PORT, '127.0.0.1');

function tell(response) {
  const time = new Date().toISOString().slice(11, 19);
  response.write(`data: ${JSON.stringify({ time, watching: watching.size })}\n\n`);
}

setInterval(() => watching.forEach(tell), 1000);
