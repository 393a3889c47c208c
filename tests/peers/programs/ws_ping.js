// Round trips as Node's `ws` measures them: argv URL COUNT; prints their list in milliseconds.
"use strict";
const WebSocket = require("ws");

const [url, count] = process.argv.slice(2);
const socket = new WebSocket(url);
const times = [];
let sent;
const ping = () => {
  sent = performance.now();
  socket.ping(String(times.length));
};
socket.on("open", ping);
socket.on("error", (error) => { console.error(error.message); process.exit(1); });
socket.on("pong", () => {
  times.push(performance.now() - sent);
  if (times.length < Number(count)) return setTimeout(ping, 20);
  console.log(JSON.stringify(times));
  socket.close(1000);
});
