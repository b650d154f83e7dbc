import { useEffect, useMemo, useState } from "preact/hooks"
import { parseDocument, stringify } from "yaml"
import { ApiProblem, call, type Issue, useLoad } from "../Api.js"
import { showNumber } from "../Format.js"
import { Changes } from "../parts/Changes.js"
import { Act, Ago, Badge, confirmed, NodeLink, Note, Problem, Section, useAdmin } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import type { ConfigChanged, Difference, Plan, Revision, RevisionInfo, RevisionPage } from "../Wire.js"

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Texts that MediaMTX could take for something else are quoted, and nothing is folded. */
const write = (config: unknown): string => stringify(config, { lineWidth: 0, defaultStringType: "PLAIN" })

interface Read {
  readonly document: Fields | undefined
  readonly issues: ReadonlyArray<Issue>
}

const read = (text: string): Read => {
  const parsed = parseDocument(text, { prettyErrors: true })
  if (parsed.errors.length > 0) {
    return {
      document: undefined,
      issues: parsed.errors.map((error) => ({
        field: error.linePos === undefined ? "YAML" : `line ${error.linePos[0].line}`,
        message: error.message.split("\n")[0] ?? "",
        expected: "YAML"
      }))
    }
  }
  const document: unknown = parsed.toJS()
  if (!isObject(document) || !isObject(document["base"])) {
    return {
      document: undefined,
      issues: [{ field: "base", message: "is missing", expected: "what every node gets, as in mediamtx.yml" }]
    }
  }
  return { document, issues: [] }
}

const outcomes: Readonly<Record<string, string>> = {
  unchanged: "unchanged",
  reloads: "reload",
  keeps: "keep what they have",
  starts: "get their first config"
}

const planColumns: ReadonlyArray<TableColumn<Plan["nodes"][number]>> = [
  { head: "Node", cell: ({ node }) => <NodeLink id={node} /> },
  {
    head: "What",
    cell: ({ impact, outcome, reason }) => (
      <>
        {outcome} {impact === null ? "" : `(${impact.scope})`} {reason ?? ""}
        {impact?.mayEnd === true && <Badge state="offline">may restart</Badge>}
      </>
    )
  },
  {
    head: "Drops",
    cell: ({ impact }) =>
      impact === null
        ? "–"
        : `${impact.drops.streams} streams, ${impact.drops.readers} readers, ${impact.drops.connections} connections`
  }
]

const Impact = ({ plan }: { readonly plan: Plan }) => {
  const counts = new Map<string, number>()
  for (const { outcome } of plan.nodes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const { connections, nodes, readers, streams } = plan.drops
  const drops = streams + readers + connections
  const worst = plan.nodes.filter(({ outcome }) => outcome !== "unchanged")
  return (
    <>
      <Note tone={drops > 0 ? "warn" : "good"}>
        {drops === 0
          ? "Nothing that is live drops."
          : `Drops ${showNumber(streams)} streams, ${showNumber(readers)} readers and ${showNumber(connections)} connections on ${showNumber(nodes)} nodes.`}{" "}
        {[...counts].map(([outcome, n]) => `${showNumber(n)} nodes ${outcomes[outcome] ?? outcome}`).join(", ")}
      </Note>
      {plan.warnings.map((issue) => (
        <Note tone="warn" key={`${issue.rule} ${issue.fieldText}`}>
          <code>{issue.fieldText}</code> {issue.message}; expected: {issue.expected}
        </Note>
      ))}
      {plan.shared !== null && <Changes changes={plan.shared.changes} />}
      {worst.length > 0 && <Table rows={worst} columns={planColumns} keyOf={({ node }) => node} most={20} empty="" />}
    </>
  )
}

const Editor = (props: { readonly revision: Revision; readonly onSaved: () => void }) => {
  const { onSaved, revision } = props
  const original = useMemo(() => write(revision.config), [revision])
  const [text, setText] = useState(original)
  const [note, setNote] = useState("")
  const [judged, setJudged] = useState<{ text: string; plan?: Plan; error?: unknown } | undefined>(undefined)
  const [saved, setSaved] = useState<{ changed?: ConfigChanged; error?: unknown } | undefined>(undefined)
  const { document, issues } = useMemo(() => read(text), [text])
  const changed = text !== original

  useEffect(() => {
    if (document === undefined || !changed) return
    const controller = new AbortController()
    // Each question is judged for every node: after a pause in the typing is soon enough.
    const timer = setTimeout(async () => {
      try {
        const plan = await call<Plan>("POST", "/plan", { body: { config: document }, signal: controller.signal })
        setJudged({ text, plan })
      } catch (error) {
        if (!controller.signal.aborted) setJudged({ text, error })
      }
    }, 500)
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [text, document, changed])

  const current = judged?.text === text ? judged : undefined
  const save = async () => {
    if (document === undefined || current?.plan === undefined) return
    const { drops } = current.plan
    const lost = drops.streams + drops.readers + drops.connections
    if (lost > 0 && !(await confirmed(`This drops ${lost} live streams, readers and connections. Save?`, "Save")))
      return
    try {
      const changed = await call<ConfigChanged>("PUT", "/config", {
        body: { config: document, author: "dashboard", ...(note === "" ? {} : { note }) },
        headers: { "if-match": revision.etag }
      })
      setSaved({ changed })
      onSaved()
    } catch (error) {
      setSaved({ error })
    }
  }
  return (
    <Section
      id="editor"
      title={`Revision ${revision.revision}`}
      tools={
        <span class="soft">
          by {revision.author}, <Ago at={revision.at} />
        </span>
      }
    >
      <label class="field wide-field">
        base, labels, overlays and nodes, as YAML
        <textarea
          class="code"
          spellcheck={false}
          value={text}
          aria-describedby="verdict"
          aria-invalid={issues.length > 0 || current?.error !== undefined}
          onInput={(event) => {
            setText(event.currentTarget.value)
            setSaved(undefined)
          }}
        />
      </label>
      <div id="verdict">
        {issues.length > 0 && <Problem error={new ApiProblem(0, "", "This can't be read:", issues)} />}
        {issues.length === 0 && changed && current === undefined && <Note>Asking what it would do…</Note>}
        <Problem error={current?.error} />
        {current?.plan !== undefined && <Impact plan={current.plan} />}
      </div>
      <div class="row">
        <label class="field">
          Why
          <input value={note} maxLength={2000} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <button
          type="button"
          class="main"
          disabled={!changed || document === undefined || current?.plan === undefined}
          onClick={() => void save()}
        >
          Save
        </button>
        <button type="button" disabled={!changed} onClick={() => setText(original)}>
          Take it back
        </button>
      </div>
      {saved?.changed !== undefined && (
        <Note tone="good">
          {saved.changed.created
            ? `Saved as revision ${saved.changed.revision.revision}.`
            : "It is what it was: no new revision."}
        </Note>
      )}
      {saved?.error instanceof ApiProblem && saved.error.status === 412 ? (
        <Note tone="bad">
          Somebody else was faster: {saved.error.message}. Keep your text aside, and{" "}
          <button type="button" onClick={onSaved}>
            read theirs
          </button>
        </Note>
      ) : (
        <Problem error={saved?.error} />
      )}
    </Section>
  )
}

const Revisions = (props: {
  readonly etag: string | undefined
  readonly round: number
  readonly onChange: () => void
}) => {
  const { etag, onChange, round } = props
  const page = useLoad<RevisionPage>(`/config/revisions?limit=50`)
  const [chosen, setChosen] = useState<RevisionInfo | undefined>(undefined)
  const difference = useLoad<Difference>(
    chosen === undefined ? undefined : `/config/diff?from=${chosen.revision - 1}&to=${chosen.revision}`
  )
  const { reload } = page
  useEffect(() => reload(), [round, reload])
  const newest = page.value?.revisions[0]?.revision
  const columns: ReadonlyArray<TableColumn<RevisionInfo>> = [
    { head: "No", cell: ({ revision }) => revision },
    { head: "When", cell: ({ at }) => <Ago at={at} /> },
    { head: "Who", cell: ({ author }) => author },
    { head: "Why", cell: ({ note, restores }) => `${note} ${restores === null ? "" : `(back to ${restores})`}` },
    { head: "Changes", cell: ({ changes }) => showNumber(changes.total) },
    {
      head: "",
      cell: (revision) => (
        <div class="row">
          <button
            type="button"
            aria-label={`Diff: what revision ${revision.revision} changed`}
            aria-expanded={chosen?.revision === revision.revision}
            onClick={() => setChosen(chosen?.revision === revision.revision ? undefined : revision)}
          >
            Diff
          </button>
          {revision.revision !== newest && (
            <Act
              act="Roll back"
              label={`Roll back to revision ${revision.revision}`}
              confirm={`Bring the config of revision ${revision.revision} back, for every node?`}
              run={async () => {
                await call("POST", "/config/rollback", {
                  body: { to: revision.revision, author: "dashboard" },
                  ...(etag === undefined ? {} : { headers: { "if-match": etag } })
                })
                onChange()
              }}
            />
          )}
        </div>
      )
    }
  ]
  return (
    <Section id="revisions" title="Revisions">
      <Problem error={page.error} />
      <Table
        rows={page.value?.revisions ?? []}
        columns={columns}
        keyOf={({ revision }) => revision}
        empty="None yet."
      />
      {chosen !== undefined && (
        <>
          <h3>What revision {chosen.revision} changed</h3>
          <Problem error={difference.error} />
          {difference.value !== undefined && <Changes changes={difference.value.changes} />}
        </>
      )}
    </Section>
  )
}

export const Config = () => {
  const admin = useAdmin()
  const [round, setRound] = useState(0)
  const current = useLoad<Revision>(admin ? "/config" : undefined)
  const { reload } = current
  const onChange = () => {
    reload()
    setRound((n) => n + 1)
  }
  if (current.error?.status === 404) {
    return (
      <>
        <h1>Config</h1>
        <Problem error={current.error} />
      </>
    )
  }
  return (
    <>
      <h1>Config</h1>
      {!admin && <Note>The config holds secrets: it takes the admin key. What changed is below.</Note>}
      <Problem error={current.error} />
      {current.value !== undefined && <Editor key={current.value.etag} revision={current.value} onSaved={onChange} />}
      <Revisions etag={current.value?.etag} round={round} onChange={onChange} />
    </>
  )
}
