// A feed on `ws`, Socket.IO or graphql-ws with the mishaps of feed.py; prints {"port": N}.
// argv: HOST ws|socket.io|graphql-ws PAUSE_MS
"use strict";
const http = require("http");

const [host, library, pause] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quotes = (seq) => ["btc", "eth"].map((symbol) => ({ symbol, seq, ts: String(Date.now()) }));

async function* feed() {
  let number = 0;
  for (let sent = 1; ; sent++) {
    number++;
    if (sent === 10) continue;
    if (sent === 60) {
      number += 10;
      await sleep(Number(pause));
      for (let held = 0; held < 150; held++) yield* quotes(++number);
      continue;
    }
    let messages = quotes(number);
    if (sent === 20) messages = messages.concat(messages);
    if (sent === 30) messages = quotes(++number).concat(messages);
    yield* messages;
    await sleep(15);
  }
}

const server = http.createServer();
if (library === "ws") {
  const { WebSocketServer } = require("ws");
  new WebSocketServer({ server }).on("connection", (socket) => {
    socket.once("message", async () => {
      for await (const quote of feed()) {
        if (socket.readyState !== socket.OPEN) return;
        socket.send(JSON.stringify({ data: quote }));
      }
    });
  });
} else if (library === "socket.io") {
  const { Server } = require("socket.io");
  // its own heartbeats go on while the feed is dead: they are no data
  new Server(server, { pingInterval: 300, pingTimeout: 5000 }).on("connection", async (socket) => {
    for await (const quote of feed()) {
      if (!socket.connected) return;
      socket.emit("quote", quote);
    }
  });
} else {
  const { WebSocketServer } = require("ws");
  const { buildSchema } = require("graphql");
  const { useServer } = require("graphql-ws/use/ws");
  const schema = buildSchema(
    "type Quote { symbol: String seq: Int ts: String } type Query { hello: String } type Subscription { quote: Quote }",
  );
  const sockets = new WebSocketServer({ server, handleProtocols: () => "graphql-transport-ws" });
  async function* subscribe() {
    for await (const quote of feed()) yield { quote };
  }
  useServer({ schema, roots: { subscription: { quote: subscribe } } }, sockets, 300);
}
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
