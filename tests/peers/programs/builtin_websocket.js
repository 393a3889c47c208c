// Node's built-in WebSocket (a browser's API) talks to an echo server: argv URL; prints what it saw.
"use strict";
const socket = new WebSocket(process.argv[2]);
socket.binaryType = "arraybuffer";
const seen = { received: [] };
const say = ["hello", "žluťoučký 🐎", new Uint8Array([0, 1, 254, 255]), "x".repeat(70000)];
socket.onopen = () => socket.send(say[0]);
socket.onmessage = ({ data }) => {
  seen.received.push(typeof data === "string" ? data : Array.from(new Uint8Array(data)));
  const next = say[seen.received.length];
  if (next === undefined) socket.close(4001, "enough");
  else socket.send(next);
};
socket.onclose = ({ code, reason, wasClean }) => {
  console.log(JSON.stringify({ ...seen, code, reason, wasClean }));
};
