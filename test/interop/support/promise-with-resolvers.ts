/* Node 20 lacks Promise.withResolvers, and libp2p calls it. Import this before anything of libp2p runs. */
if (!('withResolvers' in Promise)) {
  Object.defineProperty(Promise, 'withResolvers', {
    value: (): unknown => {
      let settle: Record<string, unknown> = {}
      const promise = new Promise((resolve, reject) => {
        settle = { resolve, reject }
      })
      return { promise, ...settle }
    },
  })
}
