/** Who is logged in, the frame around the pages, and which of them is shown. */
import { useEffect, useRef, useState } from "preact/hooks"
import { logOut, resume, session } from "./Api.js"
import { connection, follow } from "./Live.js"
import { Auth } from "./pages/Auth.js"
import { Config } from "./pages/Config.js"
import { Events } from "./pages/Events.js"
import { Jobs } from "./pages/Jobs.js"
import { Login } from "./pages/Login.js"
import { Node } from "./pages/Node.js"
import { Nodes } from "./pages/Nodes.js"
import { Overview } from "./pages/Overview.js"
import { Recordings } from "./pages/Recordings.js"
import { Rollouts } from "./pages/Rollouts.js"
import { Stream } from "./pages/Stream.js"
import { Streams } from "./pages/Streams.js"
import { Badge, Confirmation, Problem } from "./parts/Parts.js"
import { link, route } from "./Route.js"
import { useStore } from "./Store.js"
import { nextTheme, theme } from "./Theme.js"

const pages = [
  { name: "Fleet", path: "" },
  { name: "Nodes", path: "nodes" },
  { name: "Streams", path: "streams" },
  { name: "Recordings", path: "recordings" },
  { name: "Clips", path: "clips" },
  { name: "Events", path: "events" },
  { name: "Auth", path: "auth" },
  { name: "Config", path: "config" },
  { name: "Rollouts", path: "rollouts" }
]

const Page = () => {
  const { path } = useStore(route)
  const [first = "", second] = path
  switch (first) {
    case "":
      return <Overview />
    case "nodes":
      return second === undefined ? <Nodes /> : <Node id={second} />
    case "streams":
      return second === undefined ? <Streams /> : <Stream path={second} />
    case "recordings":
      return <Recordings />
    case "clips":
      return <Jobs />
    case "auth":
      return <Auth />
    case "config":
      return <Config />
    case "rollouts":
      return <Rollouts />
    case "events":
      return <Events />
    default:
      return <p>There is no such page.</p>
  }
}

const connectionText = { live: "live", connecting: "connecting", lost: "connection lost, trying again" }

const Frame = () => {
  const { path } = useStore(route)
  const state = useStore(connection)
  const look = useStore(theme)
  const who = useStore(session)
  const main = useRef<HTMLElement>(null)
  const here = path[0] ?? ""
  const current = pages.find((page) => page.path === here)

  useEffect(() => {
    document.title = `${path[1] ?? current?.name ?? "Dashboard"} – mtx-manager`
  }, [path, current])

  useEffect(() => {
    // With a modifier: single letters belong to those who dictate.
    const onKey = (event: KeyboardEvent) => {
      const page = event.altKey && !event.ctrlKey && !event.metaKey ? pages[Number(event.key) - 1] : undefined
      if (page === undefined) return
      event.preventDefault()
      location.hash = link([page.path].filter((part) => part !== ""))
      main.current?.focus()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])

  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header class="top">
        <strong>mtx-manager</strong>
        <nav aria-label="Pages">
          {pages.map((page, i) => (
            <a
              key={page.path}
              href={link([page.path].filter((part) => part !== ""))}
              aria-current={page.path === here ? "page" : undefined}
              aria-keyshortcuts={`Alt+${i + 1}`}
              title={`Alt+${i + 1}`}
            >
              {page.name}
            </a>
          ))}
        </nav>
        <div class="tools">
          <span role="status" id="connection">
            <Badge state={state}>{connectionText[state]}</Badge>
          </span>
          {who?.role === "viewer" && <span class="badge">may look</span>}
          <button type="button" onClick={nextTheme}>
            Theme: {look}
          </button>
          <button type="button" onClick={() => void logOut()}>
            Log out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main} key={path.slice(0, 2).join("/")}>
        <Page />
      </main>
      <Confirmation />
    </>
  )
}

export const App = () => {
  const who = useStore(session)
  const [error, setError] = useState<unknown>(undefined)
  useEffect(() => {
    resume().catch(setError)
  }, [])
  const inside = who !== undefined && who !== null
  useEffect(() => {
    if (!inside) return
    const controller = new AbortController()
    follow(controller.signal)
    return () => controller.abort()
  }, [inside])
  if (error !== undefined && who === undefined) {
    return (
      <main class="login card">
        <h1>mtx-manager</h1>
        <Problem error={error} />
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      </main>
    )
  }
  if (who === undefined) return null
  return who === null ? <Login /> : <Frame />
}
