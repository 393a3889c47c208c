// The MQTT broker `aedes` on a WebSocket; prints {"port": N} once it listens. argv: HOST CONNECT_TIMEOUT_MS
"use strict";
const http = require("http");
const { WebSocketServer, createWebSocketStream } = require("ws");
const createBroker = require("aedes");

const [host, connectTimeout] = process.argv.slice(2);
const broker = createBroker({ connectTimeout: Number(connectTimeout) });
const server = http.createServer();
const sockets = new WebSocketServer({ server, handleProtocols: () => "mqtt" });
sockets.on("connection", (socket, request) => {
  const stream = createWebSocketStream(socket);
  stream.on("error", () => {});
  broker.handle(stream, request);
});
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
