import { useEffect, useMemo, useState } from "preact/hooks"
import { ApiProblem, call, get } from "../Api.js"
import { showDateTime, showNumber, showTime } from "../Format.js"
import { sleep } from "../Live.js"
import { Ago, Badge, Choice, NodeLink, Problem, Search, Section, useAdmin } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import type { Decision, DecisionPage, DryRun } from "../Wire.js"

const PAGE = 500
const KEPT = 5_000
/** Seconds for which the manager holds a question that it has no news for. */
const WAIT = 20
const PAUSE = 2_000

interface Log {
  /** The newest first. */
  readonly decisions: ReadonlyArray<Decision>
  readonly page: DecisionPage | undefined
  /** For those before the oldest one here. */
  readonly older: string | null
  readonly error: unknown
}
const nothing: Log = { decisions: [], page: undefined, older: null, error: undefined }

/** What was there, with what has come or come again since. */
const merged = (before: ReadonlyArray<Decision>, news: ReadonlyArray<Decision>): ReadonlyArray<Decision> => {
  const again = new Set(news.map(({ id }) => id))
  return [...[...news].reverse(), ...before.filter(({ id }) => !again.has(id))].slice(0, KEPT)
}

/** The decisions that a filter finds, as they come. */
const useDecisions = (filter: string) => {
  const [log, setLog] = useState(nothing)
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    const read = async () => {
      let follow: string | undefined
      while (!signal.aborted) {
        try {
          if (follow === undefined) {
            const page = await get<DecisionPage>(`/auth/decisions?limit=${PAGE}${filter}`, signal)
            setLog({ decisions: page.decisions, page, older: page.next, error: undefined })
            follow = page.follow
          } else {
            const after = encodeURIComponent(follow)
            const page = await get<DecisionPage>(
              `/auth/decisions?limit=${PAGE}${filter}&after=${after}&wait=${WAIT}`,
              signal
            )
            follow = page.follow
            setLog((before) => ({
              ...before,
              page,
              decisions: merged(before.decisions, page.decisions),
              error: undefined
            }))
          }
        } catch (error) {
          if (signal.aborted) return
          setLog((before) => ({ ...before, error }))
          // A filter that can't be read does not get better by itself.
          if (error instanceof ApiProblem && error.status >= 400 && error.status < 500) return
          await sleep(PAUSE, signal)
        }
      }
    }
    setLog(nothing)
    // While somebody types, each letter is no question.
    const timer = setTimeout(() => void read(), 250)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [filter])
  const more = async () => {
    if (log.older === null) return
    try {
      const page = await get<DecisionPage>(
        `/auth/decisions?limit=${PAGE}${filter}&cursor=${encodeURIComponent(log.older)}`
      )
      setLog((before) => ({ ...before, decisions: [...before.decisions, ...page.decisions], older: page.next }))
    } catch (error) {
      setLog((before) => ({ ...before, error }))
    }
  }
  return { ...log, more }
}

const nameOf = (rule: Decision["rule"]): string => (rule === null ? "" : (rule.name ?? rule.place))

/** What decided, in a word or two. */
const decidedBy = ({ decidedBy: by, rule }: Decision): string =>
  rule === null ? (by === "rules" ? "no rule" : "not by rules") : nameOf(rule)

const One = ({ decision }: { readonly decision: Decision }) => (
  <Section id="decision" title={`${decision.action} of ${decision.path === "" ? decision.node : decision.path}`}>
    <dl>
      <dt>Told</dt>
      <dd>
        <Badge state={decision.outcome} /> {decision.prompt && "to bring credentials: it had none"}
      </dd>
      <dt>Why</dt>
      <dd>{decision.reason}</dd>
      <dt>Rule</dt>
      <dd>
        {decidedBy(decision)}
        {decision.rule !== null && (
          <>
            {" "}
            <code>{decision.rule.place}</code>
          </>
        )}
      </dd>
      <dt>User</dt>
      <dd>
        {decision.user === "" ? "none" : decision.user}, credentials: {decision.credentials}, found to be{" "}
        {decision.proof}
        {decision.provenUser !== null && ` (${decision.provenUser})`}
      </dd>
      <dt>From</dt>
      <dd>
        {decision.ip} by {decision.protocol === "" ? "HTTP" : decision.protocol}
        {decision.userAgent !== "" && `, ${decision.userAgent}`}
      </dd>
      <dt>Session</dt>
      <dd>
        <code>{decision.session ?? "none"}</code>
      </dd>
      <dt>Calls</dt>
      <dd>
        {showNumber(decision.count)}, from {showDateTime(decision.at)} to {showDateTime(decision.last)}
      </dd>
    </dl>
  </Section>
)

interface Change {
  readonly call: DryRun["changedCalls"][number] | DryRun["unknownCalls"][number]
  readonly what: string
}

const changeColumns: ReadonlyArray<TableColumn<Change>> = [
  { head: "Calls", cell: ({ call: { count } }) => showNumber(count) },
  {
    head: "What",
    cell: ({ call: { action, path, protocol } }) => `${action} ${path}${protocol === "" ? "" : ` by ${protocol}`}`
  },
  { head: "Who", cell: ({ call: { ip, user } }) => `${user === "" ? "nobody" : user} from ${ip}` },
  { head: "Node", cell: ({ call: { node } }) => <NodeLink id={node} /> },
  {
    head: "Told",
    cell: ({ call: { before } }) => (
      <>
        <Badge state={before.outcome} /> <span class="soft">{nameOf(before.rule)}</span>
      </>
    )
  },
  { head: "Would be", cell: ({ what }) => what },
  { head: "Last", cell: ({ call: { last } }) => <Ago at={last} /> }
]

/** Other rules, tried on the calls of the last hour. */
const TryRules = () => {
  const [text, setText] = useState("")
  const [state, setState] = useState<{ busy: boolean; report?: DryRun; error?: unknown }>({ busy: false })
  const run = async (event: SubmitEvent) => {
    event.preventDefault()
    setState({ busy: true })
    try {
      setState({ busy: false, report: await call<DryRun>("POST", "/auth/dry-run", { body: { auth: text } }) })
    } catch (error) {
      setState({ busy: false, error })
    }
  }
  const { report } = state
  const rows: ReadonlyArray<Change> = [
    ...(report?.changedCalls ?? []).map((each) => ({
      call: each,
      what: `${each.after.outcome}: ${each.after.reason}`
    })),
    ...(report?.unknownCalls ?? []).map((each) => ({
      call: each,
      what: `${each.possible.join(" or ")}: ${each.why}`
    }))
  ]
  return (
    <Section id="try" title="Try other rules">
      <form onSubmit={run}>
        <label class="field wide-field">
          The section auth of a manager.yml
          <textarea
            class="code small"
            spellcheck={false}
            required
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <div class="row">
          <button type="submit" class="main" disabled={state.busy}>
            Try
          </button>
          <span class="soft">On the calls of the last hour. Changes nothing.</span>
        </div>
      </form>
      <Problem error={state.error} />
      {report !== undefined && (
        <div role="status">
          <p>
            Of {showNumber(report.calls)} calls {showNumber(report.changed)} would be answered otherwise, of{" "}
            {showNumber(report.unknown)} it can't be told. {showNumber(report.changes.allowToDeny)} would be let in no
            more, {showNumber(report.changes.denyToAllow + report.changes.askToAllow)} would be let in.
          </p>
          <Table
            rows={rows}
            columns={changeColumns}
            keyOf={({ call: { action, ip, node, path, protocol, user }, what }) =>
              [node, action, path, protocol, user, ip, what].join("\n")
            }
            empty="Nothing would be answered otherwise."
          />
        </div>
      )}
    </Section>
  )
}

export const Auth = () => {
  const admin = useAdmin()
  const [outcome, setOutcome] = useState("")
  const [prompts, setPrompts] = useState(false)
  const [fields, setFields] = useState({ node: "", path: "", user: "", ip: "", rule: "" })
  const [chosen, setChosen] = useState<string | undefined>(undefined)
  const filter = useMemo(() => {
    const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value.trim() !== ""))
    if (outcome !== "") query.set("outcome", outcome)
    if (!prompts) query.set("prompt", "false")
    const text = query.toString()
    return text === "" ? "" : `&${text}`
  }, [outcome, prompts, fields])
  const { decisions, error, more, older, page } = useDecisions(filter)
  const columns = useMemo(
    (): ReadonlyArray<Column<Decision>> => [
      { head: "Last", width: "5.5rem", cell: ({ last }) => <time dateTime={last}>{showTime(last)}</time> },
      { head: "Told", width: "4rem", cell: ({ outcome: told }) => <Badge state={told} /> },
      { head: "Calls", width: "3.5rem", wide: true, cell: ({ count }) => showNumber(count) },
      { head: "Action", width: "5rem", wide: true, cell: ({ action }) => action },
      { head: "Stream", width: "minmax(4rem, 2fr)", cell: ({ path }) => path },
      { head: "User", width: "minmax(4rem, 1fr)", wide: true, cell: ({ user }) => (user === "" ? "–" : user) },
      { head: "Address", width: "8rem", wide: true, cell: ({ ip }) => ip },
      { head: "Node", width: "minmax(4rem, 1fr)", wide: true, cell: ({ node }) => <NodeLink id={node} /> },
      {
        head: "Decided by",
        width: "minmax(5rem, 2fr)",
        cell: (decision) => (
          <button
            type="button"
            class="link"
            title={decision.reason}
            aria-expanded={decision.id === chosen}
            onClick={() => setChosen(decision.id === chosen ? undefined : decision.id)}
          >
            {decidedBy(decision)}
          </button>
        )
      }
    ],
    [chosen]
  )
  const one = decisions.find(({ id }) => id === chosen)
  const field = (name: keyof typeof fields) => ({
    value: fields[name],
    onInput: (value: string) => setFields((before) => ({ ...before, [name]: value }))
  })
  return (
    <>
      <h1>Auth</h1>
      <div class="row card">
        <Choice label="Told" value={outcome} all="all" options={["allow", "ask", "deny"]} onChange={setOutcome} />
        <Search label="Stream or pattern" {...field("path")} />
        <Search label="User" {...field("user")} />
        <Search label="Address or network" {...field("ip")} />
        <Search label="Node" {...field("node")} />
        <Search label="Rule" {...field("rule")} />
        <label>
          <input type="checkbox" checked={prompts} onChange={(event) => setPrompts(event.currentTarget.checked)} />{" "}
          first calls without credentials
        </label>
        {page !== undefined && (
          <span class="soft" role="status">
            {showNumber(page.matched.allow)} allowed, {showNumber(page.matched.deny)} denied,{" "}
            {showNumber(page.matched.ask)} asked for others
            {page.oldest !== null && `, since ${showTime(page.oldest)}`}
          </span>
        )}
      </div>
      <Problem error={error} />
      <VirtualList
        label="Decisions, the newest first"
        rows={decisions}
        columns={columns}
        keyOf={({ id }) => id}
        empty={page === undefined && error === undefined ? "Asking…" : "No such decision in the last hour."}
      />
      {older !== null && decisions.length > 0 && (
        <p>
          <button type="button" onClick={() => void more()}>
            Older ones
          </button>
        </p>
      )}
      {one !== undefined && <One decision={one} />}
      {admin && <TryRules />}
    </>
  )
}
