// Visits many URLs at once with Node's `ws`, and tells what it saw. argv: FILE of JSON, a list of
// visits {name, url, offer, options, start_ms, send, binary, pings, pings_every, close_at, for_ms};
// prints {lag_ms, seen}: the loop's worst delay, and one object by name. Times are milliseconds since the visit's start, which was before
// any timer of the server's; a Pong's are its round trip and its arrival.
"use strict";
const fs = require("fs");
const { monitorEventLoopDelay } = require("perf_hooks");
const WebSocket = require("ws");
const lag = monitorEventLoopDelay({ resolution: 10 });
lag.enable();

function visit(job, done) {
  const saw = { open: null, status: null, headers: {}, error: null, code: null, reason: null,
    closed: null, messages: [], pongs: [], pings: 0, raw: "", chunks: 0, received: 0,
    buffered: 0, protocol: null, extensions: null, url: null };
  const began = performance.now();
  const sent = {};
  const now = () => performance.now() - began;
  const socket = new WebSocket(job.url, job.offer || [], { perMessageDeflate: false,
    handshakeTimeout: 60000, ...job.options });
  const text = (data) => data.toString("latin1");
  socket.on("upgrade", (response) => {
    saw.status = response.statusCode;
    saw.headers = response.headers;
  });
  socket.on("unexpected-response", (_, response) => {
    saw.status = response.statusCode;
    saw.headers = response.headers;
    response.resume();
    socket.emit("error", new Error("unexpected response"));
  });
  socket.on("error", (error) => { saw.error = saw.error || error.message; });
  socket.on("close", (code, reason) => {
    Object.assign(saw, { code, reason: reason.toString(), closed: now() });
  });
  socket.on("ping", () => { saw.pings += 1; });
  socket.on("pong", (data) => saw.pongs.push([now() - sent[text(data)], text(data), now()]));
  socket.on("message", (data, binary) => {
    if (saw.messages.length < 50) saw.messages.push([now(), binary ? data.length : data.toString()]);
  });
  socket.on("open", () => {
    socket._socket.on("error", (error) => { saw.error = saw.error || error.message; });
    // what came behind the 101 is still in the socket: `ws` has only just begun to listen to it
    socket._socket.on("data", (data) => {
      saw.chunks += 1;
      saw.received += data.length;
      if (saw.raw.length < 600) saw.raw += data.toString("hex");
    });
    Object.assign(saw, { open: now(), protocol: socket.protocol, extensions: socket.extensions,
      url: socket.url });
    for (const message of job.send || []) socket.send(message);
    if (job.binary) socket.send(Buffer.alloc(job.binary));
    for (let n = 0; n < (job.pings || 0); n++) {
      setTimeout(() => {
        sent[n] = now();
        if (socket.readyState === WebSocket.OPEN) socket.ping(String(n));
      }, n * (job.pings_every || 0));
    }
    if (job.close_at !== undefined) setTimeout(() => socket.close(1000), job.close_at);
  });
  setTimeout(() => {
    saw.buffered = socket.bufferedAmount;
    done({ ...saw });
    socket.terminate();
  }, job.for_ms || 4000);
}

const jobs = JSON.parse(fs.readFileSync(process.argv[2], "utf-8"));
const seen = {};
const begin = (job) => visit(job, (saw) => {
  seen[job.name] = saw;
  if (Object.keys(seen).length === jobs.length) {
    process.stdout.write(JSON.stringify({ lag_ms: lag.max / 1e6, seen }), () => process.exit(0));
  }
});
for (const job of jobs) setTimeout(begin, job.start_ms || 0, job);
