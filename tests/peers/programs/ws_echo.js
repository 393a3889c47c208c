// An echo server on Node's `ws`; prints {"port": N} once it listens. argv: HOST [CERT KEY]
"use strict";
const fs = require("fs");
const http = require("http");
const https = require("https");
const { WebSocketServer } = require("ws");

const [host, cert, key] = process.argv.slice(2);
// what `ws` itself answers to a request that is no upgrade
const refuse = (_, response) => response.writeHead(426).end("Upgrade Required");
const server = cert
  ? https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, refuse)
  : http.createServer(refuse);
const sockets = new WebSocketServer({ server, perMessageDeflate: true });
sockets.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
