/** Small things that every page uses. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { ApiProblem, messageOf, session } from "../Api.js"
import { showDateTime, showDuration } from "../Format.js"
import { link } from "../Route.js"
import { Store, useStore } from "../Store.js"

const tones: Readonly<Record<string, "good" | "warn" | "bad">> = {
  online: "good",
  available: "good",
  applied: "good",
  done: "good",
  completed: "good",
  live: "good",
  allow: "good",
  stale: "warn",
  wanted: "warn",
  drifted: "warn",
  queued: "warn",
  leased: "warn",
  uploading: "warn",
  held: "warn",
  running: "warn",
  connecting: "warn",
  waiting: "warn",
  sent: "warn",
  ask: "warn",
  offline: "bad",
  deny: "bad",
  failed: "bad",
  expired: "bad",
  halted: "bad",
  lost: "bad"
}

/** A state, in its word and its colour. */
export const Badge = ({ state, children }: { readonly state: string; readonly children?: ComponentChildren }) => (
  <span class={`badge ${tones[state] ?? ""}`}>{children ?? state}</span>
)

/** Whether the stream of a path is there. */
export const PathBadge = ({ available }: { readonly available: boolean }) => (
  <Badge state={available ? "available" : "waiting"}>{available ? "available" : "no stream"}</Badge>
)

export const NodeLink = ({ id }: { readonly id: string }) => <a href={link(["nodes", id])}>{id}</a>
export const StreamLink = ({ path }: { readonly path: string }) => <a href={link(["streams", path])}>{path}</a>

/** A part of a page under a heading, which names it; `tools` stand beside it. */
export const Section = (props: {
  readonly id: string
  readonly title: ComponentChildren
  readonly tools?: ComponentChildren
  readonly children: ComponentChildren
}) => (
  <section class="card" aria-labelledby={props.id}>
    {props.tools === undefined ? (
      <h2 id={props.id}>{props.title}</h2>
    ) : (
      <div class="row">
        <h2 id={props.id}>{props.title}</h2>
        {props.tools}
      </div>
    )}
    {props.children}
  </section>
)

/** A field to filter by. */
export const Search = (props: {
  readonly label: string
  readonly value: string
  readonly onInput: (text: string) => void
}) => (
  <label class="field">
    {props.label}
    <input type="search" value={props.value} onInput={(event) => props.onInput(event.currentTarget.value)} />
  </label>
)

/** One of several; options may be in groups, by name. */
export const Choice = (props: {
  readonly label: string
  readonly value: string
  /** What stands for no choice; absent: something is always chosen. */
  readonly all?: string
  readonly options: ReadonlyArray<string | readonly [group: string, options: ReadonlyArray<string>]>
  readonly onChange: (value: string) => void
}) => (
  <label class="field">
    {props.label}
    <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      {props.all !== undefined && <option value="">{props.all}</option>}
      {props.options.map((option) =>
        typeof option === "string" ? (
          <option key={option}>{option}</option>
        ) : (
          <optgroup label={option[0]} key={option[0]}>
            {option[1].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </optgroup>
        )
      )}
    </select>
  </label>
)

/** The time now, to the second. */
const clock = new Store(Date.now())
setInterval(() => clock.set(Date.now()), 1000)
export const useNow = (): number => useStore(clock)

/** How long ago; the moment itself as a tooltip. */
export const Ago = ({ at }: { readonly at: string }) => {
  const now = useNow()
  return (
    <time dateTime={at} title={showDateTime(at)}>
      {showDuration(now - Date.parse(at))} ago
    </time>
  )
}

export const Note = ({
  tone = "",
  children
}: {
  readonly tone?: "good" | "warn" | "bad" | ""
  readonly children: ComponentChildren
}) => (
  <div class={`note ${tone}`} role={tone === "bad" ? "alert" : "status"}>
    {children}
  </div>
)

/** What went wrong, and where. Something that this manager just doesn't have is no alarm. */
export const Problem = ({ error }: { readonly error: unknown }) =>
  error === undefined ? null : error instanceof ApiProblem && error.status === 404 ? (
    <Note>{messageOf(error)}</Note>
  ) : (
    <Note tone="bad">
      {messageOf(error)}
      {error instanceof ApiProblem && error.issues.length > 0 && (
        <ul>
          {error.issues.map(({ expected, field, message }, i) => (
            <li key={i}>
              <code>{field}</code> {message}; expected: {expected}
            </li>
          ))}
        </ul>
      )}
    </Note>
  )

export const useAdmin = (): boolean => useStore(session)?.role === "admin"

interface Question {
  readonly text: string
  readonly act: string
  readonly done: (yes: boolean) => void
}
const question = new Store<Question | undefined>(undefined)

/** Asks before something that can't be taken back. */
export const confirmed = (text: string, act: string): Promise<boolean> =>
  new Promise((resolve) => {
    question.set({
      text,
      act,
      done: (yes) => {
        question.set(undefined)
        resolve(yes)
      }
    })
  })

/** Where `confirmed` asks. */
export const Confirmation = () => {
  const asked = useStore(question)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (asked !== undefined) dialog.current?.showModal()
  }, [asked])
  if (asked === undefined) return null
  return (
    <dialog ref={dialog} aria-label="Please confirm" onClose={() => asked.done(false)}>
      <p>{asked.text}</p>
      <div class="row">
        <button type="button" class="danger" onClick={() => asked.done(true)}>
          {asked.act}
        </button>
        <button type="button" onClick={() => asked.done(false)}>
          Cancel
        </button>
      </div>
    </dialog>
  )
}

/** A button that does something at the manager, and says what came of it. */
export const Act = (props: {
  readonly act: string
  readonly run: () => Promise<unknown>
  /** Asked first. */
  readonly confirm?: string
  readonly danger?: boolean
  readonly label?: string
  readonly disabled?: boolean
}) => {
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false })
  const admin = useAdmin()
  if (!admin) return null
  const run = async () => {
    if (props.confirm !== undefined && !(await confirmed(props.confirm, props.act))) return
    setState({ busy: true })
    try {
      await props.run()
      setState({ busy: false })
    } catch (error) {
      setState({ busy: false, error })
    }
  }
  return (
    <>
      <button
        type="button"
        class={props.danger === true ? "danger" : undefined}
        aria-label={props.label}
        disabled={state.busy || props.disabled === true}
        onClick={run}
      >
        {props.act}
      </button>
      {state.error !== undefined && (
        <span role="alert" class="badge bad">
          {messageOf(state.error)}
        </span>
      )}
    </>
  )
}
