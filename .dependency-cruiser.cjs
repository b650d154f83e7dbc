// The shape of the source, checked in CI: layers point one way and nothing goes in circles.
//   cli -> adapters -> api -> services -> mediamtx;  sql -> services;  testing -> services
const layer = (name, from, forbidden) => ({
  name,
  severity: "error",
  comment: `${from} may not import ${forbidden}`,
  from: { path: from },
  to: { path: forbidden }
})

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } }
    },
    layer("mediamtx-knows-no-manager", "^src/mediamtx/", "^src/(?!mediamtx/)"),
    layer("services-below-api", "^src/services/", "^src/(?!(mediamtx|services)/)"),
    layer("sql-implements-services", "^src/sql/", "^src/(?!(mediamtx|services|sql)/)"),
    layer("api-below-adapters", "^src/api/", "^src/(?!(mediamtx|services|api)/)"),
    layer("adapters-below-cli", "^src/adapters/", "^src/(cli|testing)/"),
    layer("testing-knows-services", "^src/testing/", "^src/(?!(mediamtx|services|testing)/)"),
    {
      name: "web-takes-types-only",
      comment:
        "The dashboard knows the manager by its API: of its modules it may import types, and none of them may import it",
      severity: "error",
      from: { path: "^src/web/" },
      to: { path: "^src/(?!web/)", dependencyTypesNot: ["type-only"] }
    },
    layer("web-is-a-page", "^src/(?!web/)", "^src/web/"),
    // Of the services they take the schemas only.
    layer("sidecars-are-small", "^src-sidecar/", "^src/(?!(mediamtx|services|api)/)"),
    {
      name: "portable-core",
      comment: "Everything below the adapters also runs in workerd: no node: modules there",
      severity: "error",
      from: { path: "^src/(mediamtx|services|api)/", pathNot: "Node\\.ts$" },
      to: { dependencyTypes: ["core"] }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".tsx", ".js", ".d.ts"] }
  }
}
