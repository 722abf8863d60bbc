// A slow PLC behind modbus-serial's ServerTCP: see peer.py for what it is told, and for the log that it writes.
//
// One event loop; each request is answered on a timer of its own, so those of two connections overlap.
"use strict";
const fs = require("fs");
const net = require("net");
const { ServerTCP } = require("modbus-serial");

const LINE_RUNNING = 1, HEARTBEAT = 32, HEARTBEAT_NS = 100000000n, MS = 1000000n;
const [seed, leastUs, mostUs, log, ...places] = process.argv.slice(2);
const [seqCoil, status, ack, actedOn] = places.map(Number);
const coils = new Uint8Array(4096), registers = new Uint16Array(4096);
const out = fs.createWriteStream(log);
const now = () => process.hrtime.bigint(); // CLOCK_MONOTONIC
const read = []; // requests that were read and not yet handed to us, oldest first
let connections = 0, state = Number(seed) >>> 0, open = null;

function random() { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function at(due, work) { // the library's own timers count whole milliseconds
    const left = due - now();
    if (left > 2n * MS) setTimeout(at, Number(left / MS) - 1, due, work);
    else if (left > 0n) setImmediate(at, due, work);
    else work();
}

function answer(request, fn, address, write, reply) {
    const delay = Number(leastUs) + random() * (Number(mostUs) - Number(leastUs));
    // Not at once, even where its time is over: the other coils of this request are still to come.
    setImmediate(at, request.ns + BigInt(Math.round(delay * 1000)), () => {
        registers[status] = LINE_RUNNING | ((now() / HEARTBEAT_NS) & 1n ? HEARTBEAT : 0);
        const values = write();
        const wrote = now();
        reply();
        out.write([request.ns, wrote, now(), request.connection, fn, address, ...values].join(" ") + "\n");
        let sequence = 0;
        for (let bit = 0; bit < 8; bit++) sequence |= coils[seqCoil + bit] << bit;
        registers[ack] = registers[actedOn] = sequence;
    });
}

const plc = {
    setCoil(address, value, unit, done) { // called for each coil of a request, in one go
        if (open === null) {
            const request = { first: address, values: [], done: [] };
            open = request;
            queueMicrotask(() => { open = null; });
            answer(read.shift(), 15, address,
                () => { coils.set(request.values, request.first); return request.values; },
                () => request.done.forEach((each) => each(null)));
        }
        open.values.push(value ? 1 : 0);
        open.done.push(done);
    },
    setRegisterArray(address, values, unit, done) {
        answer(read.shift(), 16, address, () => { registers.set(values, address); return values; }, () => done(null));
    },
    getMultipleHoldingRegisters(address, count, unit, done) {
        answer(read.shift(), 3, address, () => [], () => done(null, Array.from(registers.slice(address, address + count))));
    },
};

// The library takes port 0 for "none given", so a free one is looked for.
const probe = net.createServer().listen(0, "127.0.0.1", () => {
    const port = probe.address().port;
    probe.close(() => {
        const server = new ServerTCP(plc, { host: "127.0.0.1", port });
        server._server.prependListener("connection", (socket) => {
            const connection = ++connections, ns = now();
            out.write(`${ns} ${ns} ${ns} ${connection} 0 0\n`);
            socket.on("data", () => read.push({ ns: now(), connection }));
        });
        server.on("socketError", () => {}); // a client that resets is no fault of ours
        server.on("serverError", (error) => { console.error(String(error)); process.exit(1); });
        server.on("initialized", () => console.log(port));
    });
});
process.stdin.resume();
process.stdin.on("end", () => out.end(() => process.exit(0)));
