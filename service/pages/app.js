// The chat page: what the person does, and what the service answers.

import { Feedback } from "./feedback.js";
import { Problem, ask, refusal } from "./stream.js";
import { Turn, element } from "./view.js";

const FACTORS = ["prompt", "retrieval", "adapter"];
const $ = (id) => document.getElementById(id);
const layers = {};
let conversation = null;
let running = null;
let turns = 0;

async function start() {
  const response = await fetch("/configuration");
  if (!response.ok) throw await refusal(response);
  const configuration = await response.json();
  $("name").textContent = document.title = configuration.name;
  $("question").maxLength = configuration.limits.max_question_characters;
  $("switches").append(...FACTORS.map((factor) => layerSwitch(factor, configuration.layers[factor])));
}

// A switch that nobody touched is not sent: then the configuration and its experiments decide.
function layerSwitch(factor, layer) {
  const input = element("input", { type: "checkbox", checked: layer.switch === "on" });
  input.setAttribute("role", "switch");
  input.addEventListener("change", () => (layers[factor] = input.checked));
  const title = factor[0].toUpperCase() + factor.slice(1);
  return element("label", { className: "switch" }, input, `${title} `, element("small", {}, layer.name));
}

async function send(question) {
  const turn = new Turn(question, `turn-${++turns}`);
  const started = performance.now();
  $("empty").hidden = true;
  $("log").append(turn.root);
  turn.root.scrollIntoView({ block: "start" });
  running = new AbortController();
  show(true);
  try {
    await receive(turn, question, started);
  } catch (error) {
    tell(turn, error);
  }
  running = null;
  show(false);
}

// A conversation is kept from its first whole answer on: one that was stopped before has no id to go on with.
async function receive(turn, question, started) {
  const request = { question, layers };
  if (conversation) request.conversation_id = conversation;
  let begun = null;
  for await (const [name, data] of ask(request, running.signal)) {
    if (name === "meta") begun = begin(turn, data);
    if (name === "sources") found(turn, data.sources);
    if (name === "delta") turn.write(data.text);
    if (name === "citation") turn.cite(data.number);
    if (name === "done") {
      conversation = begun;
      finish(turn, data, (performance.now() - started) / 1000);
    }
  }
}

function begin(turn, meta) {
  turn.wait(meta.asked.retrieval ? "Looking in the documents" : "Writing");
  return meta.conversation_id;
}

function found(turn, sources) {
  turn.showSources(sources);
  turn.wait("Reading what was found");
}

// Nobody in an emergency is asked for an opinion.
function finish(turn, done, seconds) {
  turn.finish(done, seconds);
  if (done.manifest.path !== "emergency") turn.answer.append(new Feedback(done.message_id).root);
  $("status").textContent = `Answer: ${done.answer}`;
}

function tell(turn, error) {
  if (error.name === "AbortError") {
    turn.waiting.remove();
    turn.note("You stopped this answer.");
  } else if (error instanceof Problem) {
    turn.fail(error.title, error.message);
  } else {
    turn.fail("The service cannot be reached", "Check the connection, then ask again.");
  }
}

function show(busy) {
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  $("fresh").disabled = busy;
  if (!busy) $("question").focus();
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question || running) return;
  $("question").value = "";
  send(question);
});

$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

$("stop").addEventListener("click", () => running?.abort());

$("fresh").addEventListener("click", () => {
  conversation = null;
  $("log").replaceChildren();
  $("empty").hidden = false;
  $("question").focus();
});

start().catch((error) => {
  const title = error instanceof Problem ? error.title : "The service cannot be reached";
  $("empty").replaceChildren(element("p", { className: "alert", role: "alert", textContent: title }));
});
