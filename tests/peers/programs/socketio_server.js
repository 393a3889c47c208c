// Socket.IO's own server; prints {"port": N} once it listens. argv: HOST PING_INTERVAL_MS PING_TIMEOUT_MS [TOKEN]
// With TOKEN, a CONNECT without it in its payload is refused.
"use strict";
const http = require("http");
const { Server } = require("socket.io");

const [host, pingInterval, pingTimeout, token] = process.argv.slice(2);
const server = http.createServer();
const io = new Server(server, {
  pingInterval: Number(pingInterval),
  pingTimeout: Number(pingTimeout),
  connectTimeout: 45000,
});
if (token) {
  io.use((socket, next) => next(socket.handshake.auth.token === token ? undefined : new Error("not authorized")));
}
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
