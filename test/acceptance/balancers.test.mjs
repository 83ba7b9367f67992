// HAProxy and nginx in front of the gateway; and the signals that end its process.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startGateway } from "./gateway.mjs";

const timeout = 60_000;

/** freePort returns a port that is not in use. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** run runs a program in the foreground, in a folder with its configuration file, until the test ends. */
function run(t, command, file, settings, ...args) {
  const folder = mkdtempSync(join(tmpdir(), "balancer-"));
  writeFileSync(join(folder, file), settings);
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const log = { text: "" };
  child.stdout.on("data", (chunk) => (log.text += chunk));
  child.stderr.on("data", (chunk) => (log.text += chunk));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true });
  });
  return log;
}

/** until waits for a truthy result of a function. */
async function until(what, log, get) {
  for (const began = Date.now(); Date.now() - began < timeout; await wait(50)) {
    const got = await get().catch(() => undefined);
    if (got) return got;
  }
  assert.fail(`${what}\n${log.text}`);
}

/** ask sends a query, and returns the number of calls in the response. */
async function ask(address, method = "POST", comment = "") {
  const query = `{ calls(first: 3) { nodes { id } } } ${comment}`;
  const answer = method === "POST"
    ? await fetch(`${address}/graphql`, { method, headers: { "content-type": "application/json" }, body: JSON.stringify({ query }) })
    : await fetch(`${address}/graphql?${new URLSearchParams({ query })}`);
  assert.equal(answer.status, 200);
  return (await answer.json()).data.calls.nodes.length;
}

for (const [name, check, graceful] of [
  ["its default check, OPTIONS / by HTTP/1.0", "option httpchk", false],
  ["a check by HTTP/1.0 without a host", "option httpchk GET /readyz", true],
  ["a check by HTTP/1.1 with a host", "option httpchk\n  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost", true],
]) {
  test(`HAProxy keeps the gateway up with ${name}`, { timeout: 2 * timeout }, async (t) => {
    const gateway = await startGateway({ GATEWAY_DRAIN_DELAY: graceful ? "3s" : "0s" });
    let stopped;
    t.after(() => stopped ?? gateway.stop());
    const port = await freePort();
    const log = run(t, "haproxy", "haproxy.cfg", `
defaults
  mode http
  timeout connect 10s
  timeout check 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  stats enable
  stats uri /stats
  http-request set-header Host localhost
  default_backend gateways
backend gateways
  ${check}
  server gateway ${new URL(gateway.url).host} check inter 100ms fall 1 rise 1
`, "-db", "-f", "haproxy.cfg");
    const address = `http://127.0.0.1:${port}`;
    const server = async () => {
      const [names, ...rows] = (await (await fetch(`${address}/stats;csv`)).text()).replace("# ", "").split("\n").map((row) => row.split(","));
      const row = rows.find((values) => values[1] === "gateway");
      return Object.fromEntries(names.map((name, i) => [name, row[i]]));
    };
    // L7STS is HAProxy's check status for a wrong HTTP status.
    const checked = await until("HAProxy never checks", log, async () => {
      const got = await server();
      return ["L7OK", "L7STS", "L7RSP"].includes(got.check_status) && got;
    });
    assert.deepEqual([checked.status, checked.check_status], ["UP", "L7OK"], `${checked.check_code} ${log.text}`);
    for (const method of ["POST", "GET"]) assert.equal(await ask(address, method), 3);
    if (graceful) { // HAProxy stops sending while the gateway drains
      stopped = gateway.stop();
      await until("HAProxy still uses the gateway", log, async () => (await server()).status === "DOWN");
      await stopped;
    }
  });
}

test("nginx keeps its connections, as deploy/nginx.conf sets it", { timeout: 2 * timeout }, async (t) => {
  const gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: "0" });
  t.after(() => gateway.stop());
  const port = await freePort();
  const settings = readFileSync(new URL("../../deploy/nginx.conf", import.meta.url), "utf8")
    .replace("worker_processes auto", "worker_processes 1")
    .replace(/^\s*server 127.0.0.1:8082.*$/m, "")
    .replace("127.0.0.1:8081", new URL(gateway.url).host)
    .replace("listen 127.0.0.1:8080", `listen 127.0.0.1:${port}`);
  const log = run(t, "nginx", "nginx.conf", settings, "-p", ".", "-c", "nginx.conf", "-g", "daemon off;");
  const address = `http://127.0.0.1:${port}`;
  await until("nginx does not answer", log, async () => (await fetch(`${address}/healthz`)).ok);
  for (let i = 0; i < 50; i++) assert.equal(await ask(address, i % 2 ? "GET" : "POST"), 3);
  assert.equal(await ask(address, "GET", `#${"x".repeat(200_000)}`), 3);
  // nginx closes idle connections earlier than the gateway, whose help names its own timeout.
  const keeps = Number(settings.match(/keepalive_timeout (\d+)s/)[1]);
  const help = execFileSync(process.env.GATEWAY_BIN, ["--help"], { encoding: "utf8" });
  const idle = Number(help.match(/GATEWAY_IDLE_TIMEOUT\)\s+\(default\s+(\d+)s\)/)[1]);
  assert.ok(keeps >= 60 && idle > 600 && idle > keeps, `nginx ${keeps} s, the gateway ${idle} s`);
  assert.doesNotMatch(log.text, /prematurely closed|reset by peer/);
});

/** end starts the gateway, sends signals, each after a text in the log, and returns the exit code. */
async function end(t, settings, ...steps) {
  const env = { PATH: process.env.PATH, GATEWAY_LISTEN: "127.0.0.1:0", ...settings };
  const child = spawn(process.env.GATEWAY_BIN, [], { env, stdio: ["ignore", "ignore", "pipe"] });
  const log = { text: "" };
  child.stderr.on("data", (chunk) => (log.text += chunk));
  const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  t.after(() => child.kill("SIGKILL"));
  for (const [signal, after] of steps) {
    await until(`the log never contains ${after}`, log, async () => log.text.includes(after));
    child.kill(signal);
  }
  return exited;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  const code = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
  test(`${signal} shuts down gracefully, and a second one ends the process at once`, { timeout }, async (t) => {
    assert.equal(await end(t, {}, [signal, "msg=listening"]), 0);
    assert.equal(await end(t, { GATEWAY_DRAIN_DELAY: "1h" }, [signal, "msg=listening"], [signal, "stopping"]), code);
  });
}
