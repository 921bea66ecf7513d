// Which methods of a client's services were called: their prototypes are wrapped, so that what a method calls itself counts.

function* methodsOf(service, base) {
  for (let proto = Object.getPrototypeOf(service); proto && proto !== base && proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (name !== 'constructor' && typeof proto[name] === 'function') yield [proto, name];
    }
  }
}

/** Watches all methods of all services of a client; `never` lists those that were not called. */
export function watch(client, base) {
  const calls = new Map();
  for (const [service, instance] of Object.entries(client)) {
    for (const [proto, name] of methodsOf(instance, base.prototype)) {
      const label = `${service}.${name}`;
      const method = proto[name];
      calls.set(label, 0);
      proto[name] = function counted(...args) {
        calls.set(label, calls.get(label) + 1);
        return method.apply(this, args);
      };
    }
  }
  return {
    all: () => [...calls.keys()],
    never: () => [...calls].filter(([, count]) => count === 0).map(([label]) => label),
  };
}
