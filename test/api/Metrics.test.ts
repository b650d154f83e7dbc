import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as NodeGauges from "../../src/adapters/node/NodeGauges.js"
import { CONTENT_TYPE, fromRegistry, render } from "../../src/api/PrometheusText.js"
import { NodeId } from "../../src/services/NodeId.js"
import { NodeRegistry } from "../../src/services/NodeRegistry.js"
import { parsePrometheus } from "../support/Prometheus.js"
import { Door, doors } from "./Door.js"
import { ADMIN_KEY, KEY } from "./Fixture.js"
import { path, reader, world } from "./World.js"

const documented = new Set(
  readFileSync(fileURLToPath(new URL("../../docs/metrics.md", import.meta.url)), "utf8").match(
    /(?<=^\| `)(?:mtx_manager|process)_[a-z_]+(?=`)/gm
  )
)

describe("the text format", () => {
  it("escapes, names counters, and makes cumulative buckets", () => {
    const tagged = Metric.tagged(
      Metric.counter("text_test_calls", { description: "with \\ and\nmore" }),
      "why",
      'a "b"\n\\'
    )
    const bytes = Metric.histogram("text_test_bytes", MetricBoundaries.fromIterable([1, 10]))
    const gauge = Metric.gauge("text_test_now")
    Effect.runSync(
      Effect.all([
        Metric.incrementBy(tagged, 3),
        ...[0.5, 5, 7, 100].map((size) => Metric.update(bytes, size)),
        Metric.set(gauge, -1.5),
        Metric.update(Metric.frequency("text_test_words"), "chosen by others")
      ])
    )
    assert.strictEqual(
      fromRegistry(Metric.unsafeSnapshot(), "text_test_"),
      [
        "# TYPE text_test_bytes histogram",
        'text_test_bytes_bucket{le="1"} 1',
        'text_test_bytes_bucket{le="10"} 3',
        'text_test_bytes_bucket{le="+Inf"} 4',
        "text_test_bytes_sum 112.5",
        "text_test_bytes_count 4",
        "# HELP text_test_calls_total with \\\\ and\\nmore",
        "# TYPE text_test_calls_total counter",
        'text_test_calls_total{why="a \\"b\\"\\n\\\\"} 3',
        "# TYPE text_test_now gauge",
        "text_test_now -1.5",
        ""
      ].join("\n")
    )
    const { samples } = parsePrometheus(
      render([
        { name: "a", help: "h", samples: [{ value: Number.POSITIVE_INFINITY }] },
        { name: "none", help: "h", samples: [] },
        { name: "b", help: "h", type: "counter", samples: [{ labels: { x: "1", y: "2" }, value: 1e21 }] }
      ])
    )
    assert.deepStrictEqual(
      [...samples],
      [
        ["a", Number.POSITIVE_INFINITY],
        ['b{x="1",y="2"}', 1e21]
      ]
    )
  })
})

describe.each(Object.entries(doors))("GET /metrics: %s", (_, door) => {
  it.scopedLive("is for the admin, in Prometheus' form, and has nothing that is not documented", () =>
    Effect.gen(function* () {
      const { call } = yield* Door
      const scrape = (key: string) => call("/metrics", { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual((yield* call("/metrics")).status, 401)
      assert.strictEqual((yield* scrape(KEY)).status, 403)
      const answer = yield* scrape(ADMIN_KEY)
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.headers["content-type"], CONTENT_TYPE)
      const { helps, types } = parsePrometheus(answer.text)
      assert.include([...types.keys()], "mtx_manager_nodes")
      assert.deepStrictEqual(
        [...types.keys()].filter((name) => !documented.has(name) || !helps.has(name)),
        []
      )
    }).pipe(Effect.provide(door))
  )
})

describe("GET /metrics", () => {
  it.scoped("counts what there is in the fleet, by words that nobody else chooses", () =>
    Effect.gen(function* () {
      const { ask, beat, context } = yield* world({ config: { paths: { all_others: {} } } })
      yield* beat("n1", {
        paths: [path("cam-1", "rtspSession", reader("r1"), reader("r2")), path("cam-2", "rtspSource")],
        disk: { free: 5, total: 100 }
      })
      yield* beat("n2", { status: "failed", error: "no such file", appliedHash: "0".repeat(64), paths: [] })
      yield* Effect.provide(
        Effect.flatMap(NodeRegistry, (registry) =>
          registry.observe(NodeId.make("n3"), { via: "auth", address: "10.0.0.1" })
        ),
        context
      )
      const answer = yield* ask("GET", "/metrics")
      assert.strictEqual(answer.status, 200, answer.text)
      const { samples } = parsePrometheus(answer.text)
      const expected: Readonly<Record<string, number>> = {
        'mtx_manager_nodes{status="online"}': 3,
        'mtx_manager_nodes{status="offline"}': 0,
        'mtx_manager_nodes_config{status="applied"}': 1,
        mtx_manager_nodes_with_error: 1,
        mtx_manager_nodes_disk_low: 1,
        'mtx_manager_paths{state="all"}': 2,
        'mtx_manager_paths{state="available"}': 2,
        mtx_manager_publishers: 2,
        mtx_manager_readers: 2
      }
      for (const [name, value] of Object.entries(expected)) assert.strictEqual(samples.get(name), value, name)
      for (const word of ["n1", "cam-1", "10.0.0.1", "r1"]) assert.notInclude(answer.text, `"${word}"`)

      yield* ask("POST", "/hooks?node=n1", { event: "read", path: "cam-1", type: "rtspSession", id: "r9", query: "" })
      const later = parsePrometheus((yield* ask("GET", "/metrics")).text).samples
      const before = samples.get("mtx_manager_hook_log_cursor") ?? Number.NaN
      assert.strictEqual(later.get("mtx_manager_hook_log_cursor"), before + 1)
      assert.strictEqual(later.get("mtx_manager_hook_log_oldest_cursor"), 1)
      assert.isAtLeast(later.get('mtx_manager_hot_requests_total{outcome="recorded",route="hooks"}') ?? 0, 1)
    })
  )

  it.scopedLive("tells of the process on Node", () =>
    Effect.gen(function* () {
      const { ask } = yield* world({ config: { paths: { cam: {} } } }, { more: NodeGauges.layer })
      const { samples, types } = parsePrometheus((yield* ask("GET", "/metrics")).text)
      assert.deepStrictEqual(
        [...types.keys()].filter((name) => !documented.has(name)),
        []
      )
      assert.isAbove(samples.get("process_resident_memory_bytes") ?? 0, 10_000_000)
      assert.isAbove(samples.get("process_cpu_seconds_total") ?? 0, 0)
      assert.isBelow(Math.abs((samples.get("process_start_time_seconds") ?? 0) - Date.now() / 1000), 3_600)
      const use = samples.get("mtx_manager_event_loop_utilization_ratio") ?? -1
      assert.isTrue(use >= 0 && use <= 1, String(use))
    })
  )

  it.scoped("takes the key that is for metrics alone, for nothing else", () =>
    Effect.gen(function* () {
      const metricsKey = "metrics-key-for-prometheus"
      const { ask } = yield* world({ config: { paths: { cam: {} } } }, { metricsKey })
      const headers = { authorization: `Bearer ${metricsKey}` }
      assert.strictEqual((yield* ask("GET", "/metrics", undefined, headers)).status, 200)
      assert.strictEqual((yield* ask("GET", "/nodes", undefined, headers)).status, 401)
      assert.strictEqual((yield* ask("GET", "/?node=a", undefined, headers)).status, 401)
      assert.strictEqual((yield* ask("GET", "/metrics", undefined, { authorization: "Bearer other" })).status, 401)
    })
  )
})
