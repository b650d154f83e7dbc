/** The dashboard: a page that talks to the manager it came from, and to nobody else. */
import { render } from "preact"
import { App } from "./App.js"

const place = document.getElementById("app")
if (place !== null) render(<App />, place)
