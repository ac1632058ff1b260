// Asks the service and yields its named events; an error, whenever it comes, is thrown as a Problem.

export class Problem extends Error {
  constructor(title, detail) {
    super(detail);
    this.title = title;
  }

  static from(body) {
    const fields = (body.errors ?? []).map((each) => each.detail);
    return new Problem(body.title ?? "The service failed", [body.detail, ...fields].filter(Boolean).join(" "));
  }
}

export async function* ask(request, signal) {
  const response = await fetch("/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ ...request, stream: true }),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  let finished = false;
  for await (const [name, data] of events(response.body)) {
    if (name === "error") throw Problem.from(data);
    finished = name === "done";
    yield [name, data];
  }
  if (!finished) throw new Problem("The answer was cut off", "The connection ended too early. Please ask again.");
}

export async function refusal(response) {
  const isProblem = response.headers.get("content-type")?.includes("json");
  if (isProblem) return Problem.from(await response.json());
  return new Problem(`The service answered ${response.status}`, "Please try again in a moment.");
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) yield event;
    }
  }
}

// A block of only comments is a heartbeat.
function parsed(block) {
  const lines = block.split("\n");
  const value = (field) => lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
  const data = value("data");
  return data === undefined ? null : [value("event"), JSON.parse(data)];
}
