/** What a Node process tells of itself at `/metrics`: memory, CPU, and how late its event loop is. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RuntimeGauges } from "../../api/RuntimeGauges.js"

/** How often the loop's lateness is looked at, in milliseconds. Node counts this interval in, we don't. */
const RESOLUTION = 50

const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1e3)

/** Lateness and use of the event loop are since the last time they were read: one reader gets what is right. */
export const layer: Layer.Layer<RuntimeGauges> = Layer.scoped(
  RuntimeGauges,
  Effect.gen(function* () {
    const delay = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
        histogram.enable()
        return histogram
      }),
      (histogram) => Effect.sync(() => histogram.disable())
    )
    let used = performance.eventLoopUtilization()
    return RuntimeGauges.of({
      read: Effect.sync(() => {
        const memory = process.memoryUsage()
        const cpu = process.cpuUsage()
        const now = performance.eventLoopUtilization()
        const { utilization } = performance.eventLoopUtilization(now, used)
        used = now
        const lag =
          delay.count === 0 ? undefined : { p50: delay.percentile(50), p99: delay.percentile(99), max: delay.max }
        delay.reset()
        return [
          {
            name: "mtx_manager_event_loop_lag_seconds",
            help: "How late the event loop was since the last scrape",
            samples:
              lag === undefined
                ? []
                : [
                    { labels: { quantile: "0.5" }, value: seconds(lag.p50) },
                    { labels: { quantile: "0.99" }, value: seconds(lag.p99) },
                    { labels: { quantile: "1" }, value: seconds(lag.max) }
                  ]
          },
          {
            name: "mtx_manager_event_loop_utilization_ratio",
            help: "Which part of the time since the last scrape the event loop was busy",
            samples: [{ value: utilization }]
          },
          {
            name: "mtx_manager_heap_used_bytes",
            help: "JavaScript heap in use",
            samples: [{ value: memory.heapUsed }]
          },
          {
            name: "process_resident_memory_bytes",
            help: "Memory of the process as the system counts it",
            samples: [{ value: memory.rss }]
          },
          {
            name: "process_cpu_seconds_total",
            help: "CPU time that the process has used",
            type: "counter" as const,
            samples: [{ value: (cpu.user + cpu.system) / 1e6 }]
          },
          {
            name: "process_start_time_seconds",
            help: "When the process was started, in seconds since 1970",
            samples: [{ value: Math.round(performance.timeOrigin) / 1e3 }]
          }
        ]
      })
    })
  })
)
