// promtool evaluates the alert rules for failing requests and for clients that disconnect.
import { execFileSync } from "node:child_process";
import { test } from "node:test";

test("the alert rules fire for failures, and not for disconnected clients", () => {
  execFileSync("promtool", ["test", "rules", new URL("../../deploy/prometheus/alerts_test.yml", import.meta.url).pathname]);
});
