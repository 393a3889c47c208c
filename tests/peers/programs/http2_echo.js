// Node's own HTTP/2 server with extended CONNECT; frames by ws's Receiver and Sender.
const http2 = require("http2"), fs = require("fs"), { Receiver, Sender, WebSocketServer } = require("ws");
const [host, cert, key, settings] = process.argv.slice(2);
const server = http2.createSecureServer({
  cert: fs.readFileSync(cert), key: fs.readFileSync(key), allowHTTP1: true,
  settings: { enableConnectProtocol: settings !== "off" },
});
const one = new WebSocketServer({ noServer: true });
server.on("upgrade", (q, s, h) => one.handleUpgrade(q, s, h, (c) => {
  c.on("message", (m, binary) => c.send(m, { binary }));
}));
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":method"] !== "CONNECT" || headers[":protocol"] !== "websocket") {
    stream.respond({ ":status": 200 });
    stream.end("hi");
    return;
  }
  stream.respond({ ":status": 200 });
  const receiver = new Receiver({ isServer: true }), sender = new Sender(stream);
  receiver.on("message", (m, binary) => sender.send(m, { binary, fin: true, mask: false }));
  receiver.on("ping", (m) => sender.pong(m, false));
  receiver.on("conclude", (code) => { sender.close(code === 1005 ? undefined : code, "", false); stream.end(); });
  receiver.on("error", () => stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR));
  stream.on("data", (d) => receiver.write(d));
});
server.on("sessionError", () => {});
server.listen(0, host, () => console.log(JSON.stringify({ port: server.address().port })));
