/**
 * The Durable Object that a manager runs in, and the Worker in front of it.
 *
 * All requests of a fleet meet in one object, so that there is one picture of it, one log, and one event stream.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Unavailable } from "../../api/ApiError.js"
import * as HotResponse from "../../api/HotResponse.js"
import type { StateLayer, StateOptions } from "../../services/StateLayer.js"
import type { D1Database } from "../../sql/D1.js"
import type { DurableObjectSqliteStorage } from "../../sql/DurableObjectSqlite.js"
import { Alarm, type AlarmStorage } from "./Alarm.js"
import * as WorkersState from "./WorkersState.js"

/** What is used of the object's `ctx`, in the shape that Cloudflare gives it. */
export interface ObjectContext {
  readonly storage: DurableObjectSqliteStorage & AlarmStorage
}

export interface ObjectStateOptions extends StateOptions {
  /** A D1 database to keep state in, so that it can be queried from elsewhere. Absent: the object's own SQLite. */
  readonly database?: D1Database | undefined
}

/** The object, to the function that makes its manager. */
export interface HostObject {
  /** Where the manager keeps its state. The object is woken in time to let silent nodes, and clip jobs, expire. */
  readonly state: (options?: ObjectStateOptions) => StateLayer
}

/** What runs in the object: what `manager` gives, or an app around it. */
export interface ObjectApp<Env = unknown> {
  readonly fetch: (request: Request, env: Env) => Response | Promise<Response>
  /** Resolves when the manager stands. Called with the environment before the first request is handed on. */
  readonly ready: (env: Env) => Promise<void>
}

/** A class to be exported by the Worker and bound as a Durable Object with SQLite. */
export type ManagerObjectClass<Env> = new (ctx: ObjectContext, env: Env) => ManagerObject

export interface ManagerObject {
  fetch(request: Request): Promise<Response>
  /** Called by the runtime at the time that was set, and again after a while when it rejects. */
  alarm(): Promise<void>
}

/** A hot response as a Worker answers with it. */
const toResponse = (hot: HotResponse.HotResponse): Response => {
  const headers = new Headers()
  for (let i = 0; i + 1 < hot.headers.length; i += 2) headers.append(hot.headers[i] ?? "", hot.headers[i + 1] ?? "")
  return new Response(typeof hot.body === "string" ? hot.body : new Uint8Array(hot.body), {
    status: hot.status,
    headers
  })
}

const unavailable = (message: string): Response =>
  toResponse(HotResponse.fromError(new Unavailable({ message, retryAfter: 5 })))

const log = (message: string, error: unknown): void => Effect.runSync(Effect.logError(message, error))

/**
 * The class of the object that a manager runs in. `make` is called once for each start of the object, with its first
 * request or alarm.
 *
 * @example
 * ```ts
 * import { manager, path } from "@livecams/mtx-manager/hono"
 * import { managerObject, worker } from "@livecams/mtx-manager/workers"
 *
 * export const ManagerObject = managerObject((env: Env, object) =>
 *   manager({
 *     base: env.BASE,
 *     key: env.KEY,
 *     state: object.state(),
 *     config: { paths: { cam: path({ record: true }) } }
 *   })
 * )
 * export default worker((env: Env) => env.MANAGER)
 * ```
 */
export const managerObject = <Env>(make: (env: Env, object: HostObject) => ObjectApp<Env>): ManagerObjectClass<Env> =>
  class implements ManagerObject {
    readonly #env: Env
    readonly #ctx: ObjectContext
    readonly #alarm: Alarm
    #app: ObjectApp<Env> | undefined

    constructor(ctx: ObjectContext, env: Env) {
      this.#ctx = ctx
      this.#env = env
      this.#alarm = new Alarm(ctx.storage)
    }

    /** @throws what `make` throws: a config that is not valid, for instance */
    #start(): ObjectApp<Env> {
      if (this.#app !== undefined) return this.#app
      const app = make(this.#env, {
        state: ({ database, ...options } = {}) =>
          Layer.unwrapEffect(
            Effect.map(this.#alarm.wakeups, (wakeups) => {
              const woken = { ...options, wakeups, clipWakeups: this.#alarm.clips }
              return database === undefined
                ? WorkersState.durableObject(this.#ctx.storage, woken)
                : WorkersState.d1(database, woken)
            })
          )
      })
      this.#app = app
      return app
    }

    /** Rejects while the manager can't be started. */
    async #ready(): Promise<ObjectApp<Env>> {
      const app = this.#start()
      await app.ready(this.#env)
      Effect.runSync(this.#alarm.begin)
      return app
    }

    async fetch(request: Request): Promise<Response> {
      let app: ObjectApp<Env>
      try {
        app = await this.#ready()
      } catch (error) {
        log("the manager could not be started", error)
        return unavailable("the manager could not be started: its log says why")
      }
      return app.fetch(request, this.#env)
    }

    async alarm(): Promise<void> {
      await this.#ready()
      await Effect.runPromise(this.#alarm.wentOff)
    }
  }

// ---------------------------------------------------------------------------------------------------------------------

/** What is used of a Durable Object's binding, in the shape that Cloudflare gives it. */
export interface ObjectNamespace<Id = unknown> {
  idFromName(name: string): Id
  get(id: Id): { fetch(request: Request): Promise<Response> }
}

export interface WorkerOptions {
  /** Name of the object: one for each fleet (default `manager`). Another name is another fleet, with nothing in it. */
  readonly name?: string | undefined
}

/** The entry point of a Worker. */
export interface Worker<Env> {
  readonly fetch: (request: Request, env: Env) => Promise<Response>
}

/**
 * A Worker that hands every request to the object, to be its default export.
 *
 * @param binding gives the binding of the class that `managerObject` made
 */
export const worker = <Env, Id>(
  binding: (env: Env) => ObjectNamespace<Id>,
  { name = "manager" }: WorkerOptions = {}
): Worker<Env> => ({
  fetch: async (request, env) => {
    try {
      const objects = binding(env)
      return await objects.get(objects.idFromName(name)).fetch(request)
    } catch (error) {
      // It is being moved or replaced, or has too much to do.
      log("the manager's object could not be reached", error)
      return unavailable("the manager can't be reached at the moment")
    }
  }
})
