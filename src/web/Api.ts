/** Calls of the API with the session's cookie. The page may be below a path: everything is relative to where it is. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { Store } from "./Store.js"
import type { DashboardSession } from "./Wire.js"

/** Where the manager is: what stands before `/dashboard`. */
export const base = location.pathname.replace(/\/dashboard\/?$/, "")

const DASHBOARD_HEADER = "x-mtx-dashboard"

/** `undefined`: not known yet. `null`: not logged in. */
export const session = new Store<DashboardSession | null | undefined>(undefined)

export interface Issue {
  readonly field: string
  readonly message: string
  readonly expected: string
}

/** What the API says when it does not do what was asked. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly tag: string,
    message: string,
    readonly issues: ReadonlyArray<Issue> = []
  ) {
    super(message)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const text = (value: unknown): string => (typeof value === "string" ? value : "")

const problemOf = async (response: Response): Promise<ApiProblem> => {
  const body: unknown = await response.json().catch(() => undefined)
  if (!isObject(body)) return new ApiProblem(response.status, "", `the manager answered with ${response.status}`)
  const issues = Array.isArray(body["issues"]) ? body["issues"].filter(isObject) : []
  return new ApiProblem(
    response.status,
    text(body["_tag"]),
    text(body["message"]),
    issues.map((issue) => ({
      field: text(issue["field"]),
      message: text(issue["message"]),
      expected: text(issue["expected"])
    }))
  )
}

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** The response itself. Rejects with an {@link ApiProblem} unless it is a good one. */
export const send = async (method: string, path: string, options: CallOptions = {}): Promise<Response> => {
  const { body, headers, signal } = options
  const response = await fetch(`${base}${path}`, {
    method,
    credentials: "same-origin",
    headers: {
      [DASHBOARD_HEADER]: "1",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal })
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error
    throw new ApiProblem(0, "Unreachable", "the manager can't be reached")
  })
  if (response.ok) return response
  const problem = await problemOf(response)
  // Whatever asked: the session has ended, and the page for logging in takes over.
  if (problem.status === 401 && session.value !== undefined) session.set(null)
  throw problem
}

/** The answer's JSON. Its shape is the API's promise (see `Wire`). */
export const call = async <A>(method: string, path: string, options?: CallOptions): Promise<A> => {
  const response = await send(method, path, options)
  return response.status === 204 ? (undefined as A) : ((await response.json()) as A)
}

export const get = <A>(path: string, signal?: AbortSignal): Promise<A> =>
  call<A>("GET", path, signal === undefined ? {} : { signal })

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export interface Loaded<A> {
  /** The last good answer. */
  readonly value: A | undefined
  readonly error: ApiProblem | undefined
  readonly reload: () => void
}

/** Asks when the page comes up, when `path` changes, and every so many milliseconds. `undefined`: nothing to ask for. */
export const useLoad = <A>(path: string | undefined, every?: number): Loaded<A> => {
  const [state, setState] = useState<{ path: string | undefined; value?: A; error?: ApiProblem }>({ path })
  const [round, setRound] = useState(0)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => {
    if (path === undefined) return
    const controller = new AbortController()
    const ask = async () => {
      const began = performance.now()
      try {
        const value = await get<A>(path, controller.signal)
        setState({ path, value })
      } catch (error) {
        if (controller.signal.aborted) return
        const problem = error instanceof ApiProblem ? error : new ApiProblem(0, "", messageOf(error))
        setState((before) => (before.path === path ? { ...before, error: problem } : { path, error: problem }))
      }
      // A large fleet's answer takes its time: it is asked for less often.
      if (every !== undefined && !controller.signal.aborted) {
        timer.current = setTimeout(ask, Math.max(every, 10 * (performance.now() - began)))
      }
    }
    void ask()
    return () => {
      controller.abort()
      clearTimeout(timer.current)
    }
  }, [path, every, round])
  const reload = useCallback(() => setRound((n) => n + 1), [])
  const current = state.path === path ? state : undefined
  return { value: current?.value, error: current?.error, reload }
}

/** Asks who is logged in. */
export const resume = async (): Promise<void> => {
  try {
    session.set(await get<DashboardSession>("/dashboard-session"))
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) session.set(null)
    else throw error
  }
}

export const logIn = async (key: string): Promise<void> => {
  session.set(await call<DashboardSession>("POST", "/dashboard-session", { body: { key } }))
}

export const logOut = async (): Promise<void> => {
  await send("DELETE", "/dashboard-session")
  session.set(null)
}
