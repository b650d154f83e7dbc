/** Light, dark, or as the system has it. */
import { Store } from "./Store.js"

export type Theme = "system" | "light" | "dark"
const KEY = "mtx-theme"

const stored = (): Theme => {
  // A browser may refuse its storage.
  try {
    const text = localStorage.getItem(KEY)
    return text === "light" || text === "dark" ? text : "system"
  } catch {
    return "system"
  }
}

export const theme = new Store<Theme>(stored())

const apply = () => {
  if (theme.value === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme.value
}
apply()
theme.subscribe(apply)

export const nextTheme = (): void => {
  const next: Theme = theme.value === "system" ? "light" : theme.value === "light" ? "dark" : "system"
  theme.set(next)
  try {
    localStorage.setItem(KEY, next)
  } catch {
    // It then lasts as long as the page.
  }
}
