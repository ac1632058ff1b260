// Draws turns of the conversation. Text of people, models and documents only ever becomes text nodes.

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export class Turn {
  constructor(question, id) {
    this.id = id;
    this.written = "";
    this.numbers = new Set();
    this.text = element("p", { className: "text" });
    this.waiting = element("p", { className: "waiting", textContent: "Reading the question" });
    this.answer = element("div", { className: "answer" }, this.waiting, this.text);
    this.reply = element("div", { className: "reply" }, this.answer);
    this.root = element(
      "article",
      { className: "turn" },
      element("p", { className: "question", textContent: question }),
      this.reply,
    );
  }

  wait(words) {
    this.waiting.textContent = words;
  }

  showSources(sources) {
    if (!sources.length) return;
    const items = sources.map((source) => element("li", {}, this.passage(source)));
    this.reply.append(
      element(
        "section",
        { className: "sources", ariaLabel: "Sources of this answer" },
        element("h2", { textContent: "Passages that were read" }),
        element("ol", {}, ...items),
      ),
    );
  }

  passage(source) {
    const place = element("span", { className: "place" }, source.place);
    place.append(element("small", { textContent: `${source.source} · match ${Math.round(source.score * 100)} %` }));
    return element(
      "details",
      { className: "passage", id: this.passageId(source.number) },
      element("summary", {}, element("span", { className: "number", textContent: source.number }), place),
      element("blockquote", { textContent: source.text }),
    );
  }

  passageId(number) {
    return `${this.id}-passage-${number}`;
  }

  write(text) {
    this.waiting.hidden = true;
    this.written += text;
    this.draw();
  }

  cite(number) {
    this.numbers.add(number);
    document.getElementById(this.passageId(number))?.classList.add("cited");
    this.draw();
  }

  draw() {
    const pieces = this.written.split(/\s?\[(\d{1,2})\]/);
    this.text.replaceChildren(
      ...pieces.map((piece, index) => (index % 2 ? this.citation(Number(piece)) : piece)),
    );
  }

  citation(number) {
    if (!this.numbers.has(number)) return ` [${number}]`;
    const link = element("a", { className: "cite", textContent: number, ariaLabel: `Source ${number}` });
    link.href = `#${this.passageId(number)}`;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      reveal(document.getElementById(this.passageId(number)));
    });
    return link;
  }

  finish(done, seconds) {
    this.waiting.remove();
    if (done.manifest.path === "emergency") this.root.classList.add("emergency");
    this.written = done.answer;
    done.citations.forEach((number) => this.cite(number));
    this.draw();
    if (!done.manifest.acted.retrieval && done.manifest.path === "model") {
      this.note("Answered without looking into the documents.");
    }
    this.answer.append(strip(done.manifest, seconds));
  }

  note(words) {
    this.answer.append(element("p", { className: "note", textContent: words }));
  }

  fail(title, detail) {
    this.waiting.remove();
    this.answer.append(
      element("p", { className: "alert", role: "alert" }, element("strong", { textContent: title }), detail),
    );
  }
}

function reveal(passage) {
  document.querySelectorAll(".passage.shown").forEach((each) => each.classList.remove("shown"));
  passage.open = true;
  passage.classList.add("shown");
  passage.querySelector("summary").focus({ preventScroll: true });
  passage.scrollIntoView({ block: "nearest" });
}

// What made the answer, a chip for each layer that acted or was off, then how.
function strip(manifest, seconds) {
  const { acted, passages, tokens } = manifest;
  const count = passages.length === 1 ? "1 passage" : `${passages.length} passages`;
  const found = acted.retrieval ? `${acted.retrieval} · ${count}` : null;
  const chips = [
    chip("prompt", acted.prompt),
    chip("retrieval", found),
    chip("adapter", acted.adapter),
    ...Object.entries(manifest.experiments).map(([key, arm]) => chip(`experiment ${key}`, arm)),
    plain(manifest.path === "model" ? manifest.engine : "fixed text, no model"),
  ];
  if (tokens.prompt) chips.push(plain(`${tokens.prompt} tokens in, ${tokens.completion ?? 0} out`));
  chips.push(plain(`${seconds.toFixed(1)} s`));
  if (manifest.retrieval_degraded) chips.push(plain("search was limited", "warn"));
  if (manifest.finish_reason === "length") chips.push(plain("stopped at the length limit", "warn"));
  if (manifest.finish_reason === "content_filter") chips.push(plain("stopped by the model server's filter", "warn"));
  return element("ul", { className: "strip", ariaLabel: "What made this answer" }, ...chips);
}

function chip(layer, value) {
  const name = element("b", { textContent: layer });
  return element("li", { className: value ? "chip" : "chip off" }, name, ` ${value ?? "off"}`);
}

function plain(text, kind = "plain") {
  return element("li", { className: `chip ${kind}`, textContent: text });
}
