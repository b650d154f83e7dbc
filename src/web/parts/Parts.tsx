/** Small things that every page uses. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { ApiProblem, messageOf, session } from "../Api.js"
import { showDateTime, showDuration } from "../Format.js"
import { Store, useStore } from "../Store.js"

const tones: Readonly<Record<string, "good" | "warn" | "bad">> = {
  online: "good",
  available: "good",
  applied: "good",
  done: "good",
  completed: "good",
  live: "good",
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
  offline: "bad",
  failed: "bad",
  expired: "bad",
  halted: "bad",
  lost: "bad"
}

/** A state, in its word and its colour. */
export const Badge = ({ state, children }: { readonly state: string; readonly children?: ComponentChildren }) => (
  <span class={`badge ${tones[state] ?? ""}`}>{children ?? state}</span>
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

/** What went wrong, and where. */
export const Problem = ({ error }: { readonly error: unknown }) =>
  error === undefined ? null : (
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
