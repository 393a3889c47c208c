// graphql-ws's server on `ws`; prints {"port": N} once it listens.
// argv: HOST INIT_TIMEOUT_MS KEEP_ALIVE_MS [TOKEN]; with TOKEN, a connection_init without it is refused.
"use strict";
const http = require("http");
const { WebSocketServer } = require("ws");
const { buildSchema } = require("graphql");
const { useServer } = require("graphql-ws/use/ws");

const [host, initTimeout, keepAlive, token] = process.argv.slice(2);
const server = http.createServer();
const sockets = new WebSocketServer({ server, handleProtocols: () => "graphql-transport-ws" });
const options = {
  schema: buildSchema("type Query { hello: String }"),
  connectionInitWaitTimeout: Number(initTimeout),
  onConnect: (context) => !token || (context.connectionParams || {}).token === token,
};

useServer(options, sockets, Number(keepAlive));
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
