/** Answers `TrafficApi`. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { Traffic } from "../services/Traffic.js"
import { ManagerApi } from "./ManagerApi.js"

const TOP = 100

export const trafficGroup = HttpApiBuilder.group(ManagerApi, "traffic", (handlers) =>
  Effect.map(Traffic, (traffic) =>
    handlers.handle("get", ({ urlParams: { node, path, top } }) => traffic.get({ node, path, top: top ?? TOP }))
  )
)
