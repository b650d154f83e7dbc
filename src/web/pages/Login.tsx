import { useState } from "preact/hooks"
import { logIn } from "../Api.js"
import { Problem } from "../parts/Parts.js"

export const Login = () => {
  const [key, setKey] = useState("")
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false })
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    setState({ busy: true })
    try {
      await logIn(key)
    } catch (error) {
      setState({ busy: false, error })
    }
  }
  return (
    <main class="login card">
      <h1>mtx-manager</h1>
      <form onSubmit={submit}>
        <label class="field">
          Admin key
          <input
            type="password"
            name="key"
            autocomplete="current-password"
            required
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="main" disabled={state.busy}>
          Log in
        </button>
        <Problem error={state.error} />
      </form>
      <p class="soft">The key stays here: the browser keeps a session of 12 hours, which no script can read.</p>
    </main>
  )
}
