// What the person thinks of an answer: a thumb, and after a thumb down what is wrong with it.

import { refusal } from "./stream.js";
import { element } from "./view.js";

const REASONS = {
  answer_wrong: "The answer is wrong",
  evidence_wrong: "It read the wrong passages",
  not_our_style: "It is not in our style",
  not_helpful: "It does not help",
  unsafe: "It is unsafe",
};
const CONSEQUENCES = {
  escalated: "I asked a person instead",
  follow_up_needed: "My question is still open",
};

// One word is sent at a time, so that the last one kept is the last one said; and as a word replaces those
// before it, a second "No" says again what the form has said.
export class Feedback {
  constructor(messageId) {
    this.path = `/messages/${messageId}/feedback`;
    this.sending = false;
    this.told = element("span", { role: "status" });
    this.up = this.thumb("up", "Yes");
    this.down = this.thumb("down", "No");
    this.form = this.details(`wrong-${messageId}`);
    this.down.setAttribute("aria-controls", this.form.id);
    const votes = element("div", { className: "votes" }, "Did this help?", this.up, this.down, this.told);
    votes.setAttribute("role", "group");
    votes.setAttribute("aria-label", "Did this help?");
    this.root = element("div", { className: "feedback" }, votes, this.form);
    this.show(null);
  }

  thumb(rating, words) {
    const picture = element("span", { className: `thumb ${rating}`, ariaHidden: "true" });
    const button = element("button", { type: "button", className: "quiet" }, picture, words);
    button.addEventListener("click", () => this.vote(rating));
    return button;
  }

  details(id) {
    const reasons = checks(REASONS, "reasons");
    const form = element(
      "form",
      { className: "wrong", id, hidden: true },
      element("fieldset", {}, element("legend", { textContent: "What is wrong with it?" }), ...reasons),
      field("corrected_answer", "What should it say?", 4000),
      field("comment", "Anything else?", 2000),
      element("div", { className: "checks" }, ...checks(CONSEQUENCES, "consequences")),
      element("button", { type: "submit", className: "quiet", textContent: "Send feedback" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.complete();
    });
    return form;
  }

  async vote(rating) {
    const kept = await this.say(rating === "up" ? { rating } : this.outcome());
    if (kept) this.show(rating);
  }

  async complete() {
    if (!(await this.say(this.outcome()))) return;
    this.down.focus();
    this.show("down");
    this.open(false);
  }

  outcome() {
    const given = new FormData(this.form);
    const outcome = { rating: "down", reasons: given.getAll("reasons") };
    for (const name of ["corrected_answer", "comment"]) {
      if (given.get(name).trim()) outcome[name] = given.get(name);
    }
    for (const name of given.getAll("consequences")) outcome[name] = true;
    return outcome;
  }

  async say(outcome) {
    if (this.sending) return false;
    this.sending = true;
    this.told.textContent = "";
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(this.path, { method: "POST", headers, body: JSON.stringify(outcome) });
      if (!response.ok) throw await refusal(response);
      this.told.textContent = "Thank you.";
      return true;
    } catch (error) {
      this.told.textContent = `This was not kept: ${error.message}`;
      return false;
    } finally {
      this.sending = false;
    }
  }

  show(rating) {
    this.up.setAttribute("aria-pressed", String(rating === "up"));
    this.down.setAttribute("aria-pressed", String(rating === "down"));
    this.open(rating === "down");
  }

  open(isOpen) {
    this.form.hidden = !isOpen;
    this.down.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.form.scrollIntoView({ block: "nearest" });
  }
}

function checks(choices, name) {
  return Object.entries(choices).map(([value, words]) =>
    element("label", {}, element("input", { type: "checkbox", name, value }), ` ${words}`),
  );
}

function field(name, words, maxLength) {
  return element("label", {}, words, element("textarea", { name, maxLength, rows: 2 }));
}
