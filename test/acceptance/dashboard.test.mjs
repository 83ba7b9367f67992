// A real Prometheus scrapes the gateway under load, evaluates every query of the dashboard and loads the alert rules.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startGateway } from "./gateway.mjs";

const deploy = new URL("../../deploy/", import.meta.url);
const seconds = Number(process.env.PROMETHEUS_SECONDS ?? 15);
let gateway, prometheus, folder, address;

/** freePort returns a port that is not in use. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function ask(path, parameters) {
  const answer = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  assert.equal(body.status, "success", `${path} ${JSON.stringify(parameters)}: ${body.error}`);
  return body.data;
}

/** load sends usual requests of frontends, and some incorrect ones. */
async function load(until) {
  const queries = [
    "query List($after: String) { calls(first: 20, after: $after) { nodes { id status } pageInfo { endCursor } } }",
    "query Talk { calls(first: 5, statuses: [COMPLETED, ERRORED]) { nodes { id transcript { content } } } }",
    "query Count { calls(first: 1) { totalCount } }",
    "{ nonsense }",
    `{ ${"a: __typename ".repeat(600)} }`,
    '{ node(id: "nobody") { id } }',
  ];
  let after = null;
  for (let i = 0; Date.now() < until; i++) {
    const answer = await fetch(gateway.url + "graphql", {
      method: "POST",
      headers: { "content-type": "application/json", ...(i % 7 === 0 && { "cache-control": "no-cache" }) },
      body: JSON.stringify({ query: queries[i % queries.length], variables: { after } }),
    });
    after = (await answer.json()).data?.calls?.pageInfo?.endCursor ?? after;
    await wait(20);
  }
}

before(async () => {
  gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: "600", GATEWAY_CACHE_TTL: "2s" });
  folder = mkdtempSync(join(tmpdir(), "prometheus-"));
  address = `127.0.0.1:${await freePort()}`;
  const config = readFileSync(new URL("prometheus/prometheus.yml", deploy), "utf8")
    .replaceAll("15s", "1s")
    .replace("127.0.0.1:8080", new URL(gateway.url).host);
  writeFileSync(join(folder, "prometheus.yml"), config);
  writeFileSync(join(folder, "alerts.yml"), readFileSync(new URL("prometheus/alerts.yml", deploy)));
  prometheus = spawn("prometheus", [
    `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=${address}`,
  ], { stdio: "ignore" });
  for (let tries = 0; ; tries++) {
    try {
      if ((await fetch(`http://${address}/-/ready`)).ok) break;
    } catch {
      assert.equal(prometheus.exitCode, null, "Prometheus has ended");
    }
    assert.ok(tries < 300, "Prometheus is not ready");
    await wait(100);
  }
  // On a busy machine, Prometheus may miss some scrapes: it needs two for a rate.
  do await load(Date.now() + seconds * 1000);
  while ((await scrapes()) < 3);
});

/** Returns how many scrapes of the gateway have succeeded. */
async function scrapes() {
  const { result } = await ask("query", { query: 'sum_over_time(up{job="revox-graphql"}[5m])' });
  return Number(result[0]?.value[1] ?? 0);
}

after(async () => {
  if (prometheus) {
    prometheus.kill();
    await new Promise((resolve) => prometheus.once("exit", resolve));
  }
  await gateway?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

test("promtool accepts the alert rules", () => {
  execFileSync("promtool", ["check", "rules", new URL("prometheus/alerts.yml", deploy).pathname]);
});

test("Prometheus evaluates the alert rules, and none fires over a healthy gateway", async () => {
  const { groups } = await ask("rules");
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length >= 10, `${rules.length} rules`);
  for (const rule of rules) {
    assert.equal(rule.health, "ok", `${rule.name}: ${rule.lastError}`);
    assert.notEqual(rule.state, "firing", rule.name);
  }
});

test("Prometheus evaluates every query of the dashboard, and all but those of failures have values", async (t) => {
  const dashboard = JSON.parse(readFileSync(new URL("grafana/dashboard.json", deploy), "utf8"));
  // Queries for which a healthy gateway has no values.
  const quiet = /rejected_total|retries_total|unrecognized_total|last_internal_error/;
  const rows = [];
  for (const panel of dashboard.panels) {
    for (const target of panel.targets ?? []) {
      const query = target.expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "5m");
      const { result } = await ask("query", { query });
      const legend = ({ metric }) => target.legendFormat.replace(/{{(\w+)}}/g, (_, label) => {
        assert.ok(label in metric, `${panel.title} has no label ${label}: ${query}`);
        return metric[label];
      });
      const shown = result.map((series) => `${legend(series)} ${Number(series.value[1]).toPrecision(3)}`);
      rows.push(`${panel.title}: ${shown.join(", ") || "none"}`);
      if (!quiet.test(query)) {
        assert.ok(result.length > 0, `${panel.title} shows nothing: ${query}`);
        assert.ok(result.some((series) => Number.isFinite(Number(series.value[1]))), `${panel.title} shows no number: ${query}`);
      }
    }
  }
  assert.ok(rows.length >= 25, `${rows.length} queries`);
  t.diagnostic(`${rows.length} queries over ${seconds} s\n${rows.join("\n")}`);
});
