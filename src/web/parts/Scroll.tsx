/** What may be wider than the page. It takes the keyboard's focus while there is something to scroll to. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"

export const Scroll = ({ children }: { readonly children: ComponentChildren }) => {
  const place = useRef<HTMLDivElement>(null)
  const [wide, setWide] = useState(false)
  useEffect(() => {
    const { current } = place
    if (current === null) return
    const measure = () => setWide(current.scrollWidth > current.clientWidth)
    const observer = new ResizeObserver(measure)
    observer.observe(current)
    for (const child of current.children) observer.observe(child)
    return () => observer.disconnect()
  }, [])
  return (
    <div class="scroll" ref={place} {...(wide ? { tabIndex: 0 } : {})}>
      {children}
    </div>
  )
}
