import { call, useLoad } from "../Api.js"
import { showHash } from "../Format.js"
import { Act, Ago, Badge, NodeLink, Note, Problem } from "../parts/Parts.js"
import type { Rollout } from "../Wire.js"

const active: ReadonlySet<string> = new Set(["running", "held", "halted"])

const acts = [
  { name: "resume", act: "Resume", confirm: "Go on? The nodes that failed are not looked at again." },
  { name: "promote", act: "Promote", confirm: "To every node now, without waves, windows and halts?" },
  { name: "abort", act: "Abort", confirm: "Back to the config from before it, for every node?", danger: true }
]

export const Rollouts = () => {
  const rollouts = useLoad<ReadonlyArray<Rollout>>("/rollouts", 2_000)
  return (
    <>
      <h1>Rollouts</h1>
      <Problem error={rollouts.error} />
      {rollouts.value?.length === 0 && <p class="soft">None yet: every change of the config makes one.</p>}
      {rollouts.value?.map((rollout) => (
        <section class="card" key={rollout.id} aria-labelledby={`rollout-${rollout.id}`}>
          <div class="row">
            <h2 id={`rollout-${rollout.id}`}>
              Rollout {rollout.id}
              {rollout.revision !== null && `, revision ${rollout.revision}`}
            </h2>
            <Badge state={rollout.state} />
            {rollout.promoted && <span class="badge">promoted</span>}
            {active.has(rollout.state) &&
              acts
                .filter(({ name }) => name !== "resume" || rollout.state === "halted")
                .filter(({ name }) => name !== "promote" || !rollout.promoted)
                .map(({ act, confirm, danger, name }) => (
                  <Act
                    key={name}
                    act={act}
                    label={`${act} rollout ${rollout.id}`}
                    confirm={confirm}
                    danger={danger === true}
                    run={async () => {
                      await call("POST", `/rollouts/${rollout.id}/${name}`)
                      rollouts.reload()
                    }}
                  />
                ))}
          </div>
          <p class="soft">
            Begun <Ago at={rollout.createdAt} />; <code>{showHash(rollout.from)}</code> →{" "}
            <code>{showHash(rollout.to)}</code>
            {rollout.reason !== "" && `; ${rollout.reason}`}
          </p>
          {rollout.waves.map((wave, i) => (
            <div class="row" key={i}>
              <span>Wave {i + 1}</span>
              <progress max={Math.max(1, wave.nodes)} value={wave.applied} aria-label={`Wave ${i + 1}: applied`} />
              <span class="soft">
                {wave.applied} of {wave.nodes} run it, {wave.given} get it
                {wave.releasedAt === null && "; not released"}
              </span>
            </div>
          ))}
          {rollout.failures.length > 0 && (
            <Note tone="bad">
              <ul>
                {rollout.failures.map(({ message, node, reason }) => (
                  <li key={node}>
                    <NodeLink id={node} /> {reason}: {message}
                  </li>
                ))}
              </ul>
            </Note>
          )}
        </section>
      ))}
    </>
  )
}
