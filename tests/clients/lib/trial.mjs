// The book of a run: what was tried, and what came of it.

/** One run of one client. */
export class Trial {
  #counts = { pass: 0, FAIL: 0 };

  constructor(name) {
    this.name = name;
    this.unlike = new Map();
  }

  /** Notes that something holds, or what is wrong with it. */
  note(label, problems) {
    const verdict = problems.length === 0 ? 'pass' : 'FAIL';
    this.#counts[verdict] += 1;
    console.log(`${verdict} ${this.name} ${label}${problems.length === 0 ? '' : `: ${problems.join('; ')}`}`);
  }

  /** Runs a step that must not throw; its value is handed on, or `undefined`. */
  async attempt(label, action) {
    try {
      return await action();
    } catch (error) {
      this.note(label, [error.message]);
      return undefined;
    }
  }

  /** A call of a client that must resolve to a shape. `unlike` says why that is not the type that the client declares. */
  async resolves(label, call, shape, unlike) {
    if (unlike) this.unlike.set(label, unlike);
    let value;
    let problems;
    try {
      value = await call();
      problems = shape(value);
    } catch (error) {
      problems = [`${error.name} ${error.code ?? ''} ${error.status ?? ''} ${error.message}`];
    }
    this.note(label, problems);
    return value;
  }

  /** A call that must throw, with a message like this. */
  async rejects(label, call, pattern) {
    try {
      const value = await call();
      this.note(label, [`resolved to ${JSON.stringify(value)}`]);
    } catch (error) {
      this.note(label, pattern.test(error.message) ? [] : [`threw ${error.message}`]);
    }
  }

  /** Whether anything has failed so far. */
  get failed() {
    return this.#counts.FAIL > 0;
  }

  /** Prints the figures; the exit code of the run. */
  end() {
    const { pass, FAIL } = this.#counts;
    console.log(`${this.name}: ${pass} passed, ${FAIL} failed`);
    return FAIL === 0 && pass > 0 ? 0 : 1;
  }
}
