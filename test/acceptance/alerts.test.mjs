// Prometheus' own tool says what the alert rules make of requests, and of clients that have left.
import { execFileSync } from "node:child_process";
import { test } from "node:test";

test("the alert rules fire for failures, and not for clients that leave", () => {
  execFileSync("promtool", ["test", "rules", new URL("../../deploy/prometheus/alerts_test.yml", import.meta.url).pathname]);
});
