/** The image, the unit and the manifests: parsed, and checked against each other and against what the program takes. */
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { parse, parseAllDocuments } from "yaml"
import { parseManagerFile } from "../../src/adapters/node/ManagerFile.js"
import { lintManagerFile } from "../../src/adapters/node/ManagerFileLint.js"
import { settingTable } from "../../src/cli/Settings.js"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const text = (file: string) => readFileSync(join(root, file), "utf8")

const variables = new Set<string>([...Object.values(settingTable).map(({ variable }) => variable), "MANAGER_LOG_LEVEL"])
const unknownVariables = (source: string) =>
  [...new Set(source.match(/\bMANAGER_[A-Z_0-9]+\b/g))].filter(
    (name) => !variables.has(name) && !name.startsWith("MANAGER_S3_")
  )

describe.each([
  "deploy/mtx-manager.service",
  "deploy/compose.yml",
  "deploy/kubernetes.yml",
  "docker/manager.Dockerfile",
  "docs/operations.md"
])("%s", (file) => {
  it("names only variables that the server takes", () => {
    expect(unknownVariables(text(file))).toEqual([])
    expect(unknownVariables("MANAGER_KEYS=1")).toEqual(["MANAGER_KEYS"])
  })
})

describe("docker/manager.Dockerfile", () => {
  /** Instructions with their continued lines joined. */
  const steps = text("docker/manager.Dockerfile")
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => /^([A-Z]+) (.*)$/.exec(line) ?? [line, "?", ""])
  const final = steps.slice(steps.findLastIndex(([, word]) => word === "FROM"))
  const all = (word: string) => final.filter(([, each]) => each === word).map(([, , rest = ""]) => rest)

  it("runs as a user without rights, and tells its health", () => {
    expect(steps.every(([, word]) => word !== "?")).toBe(true)
    expect(all("USER")).toEqual(["node"])
    const order = final.map(([, word]) => word)
    expect(order.indexOf("USER")).toBeGreaterThan(order.lastIndexOf("RUN"))
    expect(all("VOLUME")).toEqual(["/data"])
    expect(all("HEALTHCHECK")[0]).toContain("/readyz")
    // In the form of a list: no shell between, so that SIGTERM arrives.
    expect(JSON.parse(all("ENTRYPOINT")[0] ?? "")).toEqual(["node", "dist/cli/mtx-manager.js"])
    expect(JSON.parse(all("CMD")[0] ?? "")).toEqual(["serve", "--quiet"])
  })

  it("copies only what there is, and builds both stages on one distribution", () => {
    const copied = steps.filter(([, word, rest = ""]) => word === "COPY" && !rest.startsWith("--from"))
    for (const [, , rest = ""] of copied) {
      for (const source of rest.split(" ").slice(0, -1))
        expect([source, existsSync(join(root, source))]).toEqual([source, true])
    }
    const images = steps
      .filter(([, word]) => word === "FROM")
      .map(([, , rest = ""]) => /^(node:\d+-[a-z]+)/.exec(rest)?.[1])
    expect(new Set(images).size).toBe(1)
  })

  it("keeps the peers that the server can't be without, in the locked versions, and no tools", () => {
    const script = /node -e '([^']*)'/.exec(steps.map(([whole]) => whole).join("\n"))?.[1] ?? ""
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-image-"))
    try {
      copyFileSync(join(root, "package.json"), join(folder, "package.json"))
      execFileSync(process.execPath, ["-e", script], { cwd: folder })
      const made = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      const lock = JSON.parse(text("package-lock.json"))
      expect(made.devDependencies).toBeUndefined()
      expect(Object.keys(made.dependencies)).toEqual(
        expect.arrayContaining(["effect", "@effect/platform-node", "@effect/sql-sqlite-node", "yaml"])
      )
      expect(Object.keys(made.dependencies)).not.toContain("vitest")
      for (const [name, version] of Object.entries(made.dependencies)) {
        expect([name, version]).toEqual([name, lock.packages[`node_modules/${name}`].version])
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("deploy/mtx-manager.service", () => {
  /** Settings by section; a name may come several times. */
  const sections = new Map<string, Array<readonly [string, string]>>()
  let section = ""
  for (const line of text("deploy/mtx-manager.service").split("\n")) {
    const head = /^\[(\w+)\]$/.exec(line)
    const setting = /^([A-Za-z]+)=(.*)$/.exec(line)
    if (head !== null) {
      section = head[1] ?? ""
      sections.set(section, [])
    } else if (setting !== null) sections.get(section)?.push([setting[1] ?? "", setting[2] ?? ""])
    else if (line !== "" && !line.startsWith("#")) throw new Error(`no line of a unit: ${line}`)
  }
  const service = new Map(sections.get("Service"))

  it("has its sections, and a command that there is", () => {
    expect([...sections.keys()]).toEqual(["Unit", "Service", "Install"])
    expect(service.get("ExecStart")).toMatch(/^\/\S+\/mtx-manager serve /)
    for (const flag of service.get("ExecStart")?.match(/--[a-z-]+/g) ?? []) {
      expect(["--quiet", ...Object.values(settingTable).map((setting) => setting.flag)]).toContain(flag)
    }
    expect(sections.get("Install")).toEqual([["WantedBy", "multi-user.target"]])
  })

  it("keeps the data in the folder that it is given, and has time to drain", () => {
    const data = sections
      .get("Service")
      ?.find(([name, value]) => name === "Environment" && value.startsWith("MANAGER_DATA="))
    expect(data?.[1]).toBe(`MANAGER_DATA=/var/lib/${service.get("StateDirectory")}`)
    expect(Number(service.get("TimeoutStopSec"))).toBeGreaterThan(5)
    for (const name of ["DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"])
      expect(service.get(name)).toBe("yes")
    expect(service.get("ProtectSystem")).toBe("strict")
    expect(service.get("CapabilityBoundingSet")).toBe("")
  })
})

describe("deploy/compose.yml", () => {
  const Service = Schema.Struct({
    build: Schema.optional(Schema.Struct({ context: Schema.Literal(".."), dockerfile: Schema.String })),
    image: Schema.String.pipe(Schema.pattern(/^[a-z0-9._/-]+:[\w.-]+$/)),
    command: Schema.optional(Schema.Array(Schema.String)),
    environment: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
    volumes: Schema.Array(Schema.String.pipe(Schema.pattern(/^[a-z_]+:\/[a-z]+$/))),
    expose: Schema.optional(Schema.Array(Schema.String)),
    ports: Schema.optional(Schema.Array(Schema.String.pipe(Schema.pattern(/^\d+:\d+\/(?:tcp|udp)$/)))),
    depends_on: Schema.optional(
      Schema.Record({ key: Schema.String, value: Schema.Struct({ condition: Schema.Literal("service_healthy") }) })
    ),
    read_only: Schema.optional(Schema.Boolean),
    tmpfs: Schema.optional(Schema.Array(Schema.String)),
    cap_drop: Schema.optional(Schema.Array(Schema.Literal("ALL"))),
    security_opt: Schema.optional(Schema.Array(Schema.String)),
    stop_grace_period: Schema.optional(Schema.String.pipe(Schema.pattern(/^\d+s$/))),
    restart: Schema.Literal("unless-stopped")
  })
  const Compose = Schema.Struct({
    services: Schema.Record({ key: Schema.String, value: Service }),
    volumes: Schema.Record({ key: Schema.String, value: Schema.Null })
  })
  const compose = Schema.decodeUnknownSync(Compose, { onExcessProperty: "error" })(parse(text("deploy/compose.yml")))

  it("is a compose file whose parts know each other", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      for (const volume of service.volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0])
      for (const other of Object.keys(service.depends_on ?? {})) {
        expect([name, Object.keys(compose.services).includes(other)]).toEqual([name, true])
      }
    }
    const { manager, proxy } = compose.services
    expect(existsSync(join(root, manager?.build?.dockerfile ?? ""))).toBe(true)
    expect(manager?.ports).toBeUndefined()
    expect(proxy?.command?.at(-1)).toBe(`manager:${manager?.expose?.[0]}`)
    expect(Number.parseInt(manager?.stop_grace_period ?? "", 10)).toBeGreaterThan(5)
  })
})

describe("deploy/kubernetes.yml", () => {
  interface Resource {
    readonly apiVersion: string
    readonly kind: string
    readonly metadata: { readonly name: string; readonly namespace?: string }
    // biome-ignore lint/suspicious/noExplicitAny: looked into by the checks below, and a wrong look fails them
    readonly [more: string]: any
  }
  const documents = parseAllDocuments(text("deploy/kubernetes.yml"))
  const resources = documents.map((document): Resource => document.toJS())
  const one = (kind: string): Resource => {
    const [found, ...more] = resources.filter((resource) => resource.kind === kind)
    if (found === undefined || more.length > 0) throw new Error(`there is not one ${kind}`)
    return found
  }
  const pod = one("StatefulSet")["spec"].template
  const [container] = pod.spec.containers

  it("is YAML of resources that belong together", () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    const versions: Readonly<Record<string, string>> = {
      Namespace: "v1",
      Secret: "v1",
      ConfigMap: "v1",
      Service: "v1",
      StatefulSet: "apps/v1",
      NetworkPolicy: "networking.k8s.io/v1",
      Ingress: "networking.k8s.io/v1"
    }
    for (const { apiVersion, kind, metadata } of resources) {
      expect([kind, apiVersion]).toEqual([kind, versions[kind]])
      expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      if (kind !== "Namespace") expect(metadata.namespace).toBe(one("Namespace").metadata.name)
    }
  })

  it("selects its pods everywhere by the labels that they have, and names ports and volumes that there are", () => {
    const { labels } = pod.metadata
    const set = one("StatefulSet")["spec"]
    for (const selector of [
      set.selector.matchLabels,
      one("Service")["spec"].selector,
      one("NetworkPolicy")["spec"].podSelector.matchLabels
    ]) {
      expect(labels).toMatchObject(selector)
    }
    expect(set.serviceName).toBe(one("Service").metadata.name)
    const ports = container.ports.map(({ name }: { readonly name: string }) => name)
    expect(ports).toContain(one("Service")["spec"].ports[0].targetPort)
    for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"])
      expect(ports).toContain(container[probe].httpGet.port)
    const volumes = [...pod.spec.volumes, ...set.volumeClaimTemplates.map(({ metadata }: Resource) => metadata)].map(
      ({ name }: { readonly name: string }) => name
    )
    for (const { name } of container.volumeMounts) expect(volumes).toContain(name)
    expect(container.envFrom[0].secretRef.name).toBe(one("Secret").metadata.name)
    expect(pod.spec.volumes[0].configMap.name).toBe(one("ConfigMap").metadata.name)
    const backend = one("Ingress")["spec"].rules[0].http.paths[0].backend.service
    expect([backend.name, backend.port.name]).toEqual([
      one("Service").metadata.name,
      one("Service")["spec"].ports[0].name
    ])
  })

  it("runs one manager, without privileges, alive by /healthz and ready by /readyz, with time to drain", () => {
    expect(one("StatefulSet")["spec"].replicas).toBe(1)
    expect(pod.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    })
    // Not ready is no reason to be killed.
    expect(container.livenessProbe.httpGet.path).toBe("/healthz")
    expect(container.readinessProbe.httpGet.path).toBe("/readyz")
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(5)
    expect(container.resources.limits.memory).toBeDefined()
  })

  it("brings a config that is valid, and in which nobody publishes from everywhere", () => {
    const data = one("ConfigMap")["data"]
    const base = Either.getOrThrow(parseConfigText(data["base.yml"]))
    expect(Either.isRight(validateConfig(base.value))).toBe(true)
    const { auth } = Either.getOrThrow(parseManagerFile(data["manager.yml"], "manager.yml", { env: {} }))
    const found = lintManagerFile({ auth, storage: undefined, paths: Object.keys(Object(base.value["paths"])) })
    expect(found.filter(({ rule }) => rule.severity !== "info")).toEqual([])
    for (const value of Object.values(one("Secret")["stringData"])) expect(value).toMatch(/^CHANGE-ME/)
  })
})
