// What a policy would keep; nothing is changed.

import { change, get, getIfThere } from "./api.js";
import { configuredSets, known, settings, shown, words } from "./context.js";
import { failure, h, link, swap, terminal } from "./dom.js";
import { makeScale, ticks } from "./scale.js";
import { palette } from "./timeline.js";
import { loadColumns } from "./volume.js";
import { counted, time } from "./words.js";

const RULES = [
	["last", "Newest", 100], ["hourly", "Hourly", 168], ["daily", "Daily", 90],
	["weekly", "Weekly", 52], ["monthly", "Monthly", 36], ["yearly", "Yearly", 20],
];
const FAR = [["1w", "a week"], ["3mo", "three months"], ["1y", "a year"]];

/** The numbers of a policy's table, as the sliders show them; what they cannot show stays as it is. */
export function numbers(policy) {
	const found = {};
	for (const [rule] of RULES) {
		const value = policy[rule];
		found[rule] = value && /^\d+$/.test(value) ? Number(value) : 0;
	}
	return found;
}

/** What else a policy's table says, which no slider shows: it stays as it is. */
export function others(policy) {
	const found = {};
	for (const [key, value] of Object.entries(policy)) {
		if (value === null || (RULES.some(([rule]) => rule === key) && /^\d+$/.test(value))) continue;
		try {
			found[key] = JSON.parse(value);
		} catch {
			// A table within the table: the daemon's own simulation knows it, this one does not.
		}
	}
	return found;
}

// What the settings themselves say of a table, without what else applies.
function given(table) {
	const rows = known.settings.filter((row) => row.table === table && row.line !== null);
	return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}

/** A policy's table for the settings, ready to be pasted. */
export function toml(name, keep) {
	const lines = Object.entries(keep).map(([rule, value]) => `${rule} = ${JSON.stringify(value)}`);
	return [`[policies.${name}]`, ...lines].join("\n");
}

/** The view at "#/retention/NAME". */
export function retentionView([name]) {
	const isSet = configuredSets().some((set) => set.name === name);
	const table = isSet ? `sets.${name}` : `volumes.${name}`;
	const policy = words(settings(table).policy)[0] ?? words(settings("").policy)[0] ?? null;
	const before = policy ? numbers(settings(`policies.${policy}`)) : numbers({});
	const view = {
		title: `Retention of ${name}`, numbers: { ...before }, far: "3mo", name, policy, isSet,
		others: policy ? others(given(`policies.${policy}`)) : {},
	};
	const canvas = h("canvas");
	const count = h("canvas");
	view.verdict = h("p.big", { role: "status" }, "…");
	view.problem = h("div");
	view.text = h("pre", { tabindex: "0", "aria-label": "The table for the settings" });
	view.chart = h("div.stays", { role: "img" }, canvas);
	view.graph = h("div.graph", { role: "img" }, count);
	view.element = h("div.view",
		h("header.view-head",
			h("p.over", link(name, isSet ? "set" : "volume", name)),
			h("h1", "What would be kept"),
			h("p.subtitle", policy ? `Policy ${policy} of the settings; ` : "No policy: everything stays; ",
				"drag the numbers, nothing is changed.")),
		h("div.columns.even",
			h("section.card.pad", { "aria-label": "Rules" }, sliders(view, before)),
			h("section.card.pad", { "aria-label": "What would stay" }, view.verdict, view.problem,
				h("h2.minor", "Of today’s snapshots"), view.chart,
				h("h2.minor", "How many there will be"), view.graph)),
		h("section.card.pad", h("h2.minor", "For the settings"), view.text,
			terminal("In a terminal", `snapmgr policy simulate ${name} --for 1y`)));
	view.load = async () => {
		// Some daemons try no numbers out.
		const api = await getIfThere("/openapi.json");
		view.isFixed = api !== null && !api.paths?.["/api/v1/simulation"]?.post;
		for (const input of view.element.querySelectorAll("[type=range]")) input.disabled = view.isFixed;
		if (!isSet) view.columns = await loadColumns(name).catch(() => null);
		await ask(view);
	};
	view.redraw = () => paint(view);
	view.observer = new ResizeObserver(() => paint(view));
	view.observer.observe(view.chart);
	view.close = () => view.observer.disconnect();
	return view;
}

function sliders(view, before) {
	return [h("form.sliders", { onsubmit: (event) => event.preventDefault() },
		RULES.map(([rule, label, most]) => {
			const output = h("output", { for: `rule-${rule}` },
				String(before[rule] || (view.others[rule] ?? 0)));
			const input = h("input", {
				type: "range", id: `rule-${rule}`, min: "0", max: String(Math.max(most, before[rule])),
				value: String(before[rule]), "data-focus": `rule-${rule}`,
				oninput: () => {
					view.numbers[rule] = Number(input.value);
					output.textContent = input.value;
					output.classList.toggle("changed", view.numbers[rule] !== before[rule]);
					later(view);
				},
			});
			return h("div.slider", h("label", { for: `rule-${rule}` }, label), input, output);
		})),
	h("p.field", h("label", { for: "far" }, "Look ahead"),
		h("select", {
			id: "far", onchange: (event) => {
				view.far = event.target.value;
				later(view);
			},
		}, FAR.map(([value, text]) => h("option", { value, selected: value === view.far }, text))))];
}

// One question at a time: what is dragged meanwhile is asked after its answer.
function later(view) {
	clearTimeout(view.timer);
	view.timer = setTimeout(() => ask(view), 90);
}

async function ask(view) {
	const given = Object.entries(view.numbers).filter(([, count]) => count > 0);
	const keep = { ...view.others, ...Object.fromEntries(given) };
	view.text.textContent = toml(view.policy ?? "mine", keep);
	if (view.isAsking) {
		view.isStale = true;
		return;
	}
	view.isAsking = true;
	const target = view.isSet ? `set:${view.name}` : view.name;
	try {
		const question = (far) => (view.isFixed ? get("/simulation", { target, for: far })
			: change("POST", "/simulation", { target, for: far, keep }));
		const [today, later] = await Promise.all([question("1min"), question(view.far)]);
		view.today = pick(today, view.name);
		view.later = pick(later, view.name);
		swap(view.problem, "", () => []);
		paint(view);
	} catch (error) {
		swap(view.problem, error.message, () => failure(error));
	}
	view.isAsking = false;
	if (!view.isStale) return;
	view.isStale = false;
	await ask(view);
}

const pick = ({ simulations }, name) =>
	simulations.find((each) => each.target.endsWith(`:${name}`)) ?? simulations[0];

function paint(view) {
	if (!view.today) return;
	const kept = new Set(view.today.kept.filter((row) => row.id !== null).map((row) => row.id));
	const { columns } = view;
	// A policy lets only those go that schedules took, unless it says otherwise.
	const isOwn = (index) => columns.kind[index] === "scheduled"
		|| (columns.kind[index] === "manual" && view.others["include-manual"]);
	columns?.id.forEach((id, index) => {
		if (!isOwn(index) || columns.holds[index] > 0) kept.add(id);
	});
	const total = columns ? columns.count : kept.size;
	const end = view.later.samples.at(-1)?.count ?? 0;
	const stay = columns ? columns.id.filter((id) => kept.has(id)).length : kept.size;
	view.verdict.textContent = `${stay} of today’s ${counted(total, "snapshot")} would stay; `
		+ `${end} there will be in ${FAR.find(([value]) => value === view.far)[1]}.`;
	if (columns) paintKept(view.chart, columns, kept);
	view.chart.setAttribute("aria-label", `${stay} stay, ${total - stay} go`);
	paintGraph(view.graph, view.later.samples);
	view.graph.setAttribute("aria-label", `From ${view.later.samples[0]?.count ?? 0} to ${end} snapshots`);
}

function sheet(box) {
	const canvas = box.firstChild;
	const ratio = devicePixelRatio || 1;
	const width = box.clientWidth;
	const height = box.clientHeight;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	const pen = canvas.getContext("2d");
	pen.scale(ratio, ratio);
	return { pen, width, height, ink: palette(box) };
}

function paintKept(box, columns, kept) {
	const { pen, width, height, ink } = sheet(box);
	const now = Date.now();
	const scale = makeScale({ now, oldest: columns.at[0] ?? now, left: 8, right: width - 8 });
	pen.font = ink.small;
	pen.textAlign = "center";
	for (const { x, label } of ticks(scale, 54)) {
		pen.fillStyle = ink.line;
		pen.fillRect(Math.round(x), 0, 1, height - 18);
		pen.fillStyle = ink.quiet;
		pen.fillText(label, x, height - 5);
	}
	for (const stays of [false, true]) {
		pen.fillStyle = stays ? ink.accent : ink.red;
		for (let index = 0; index < columns.count; index += 1) {
			if (kept.has(columns.id[index]) !== stays) continue;
			const x = scale.x(columns.at[index]);
			if (stays) pen.fillRect(x - 1, 10, 2, 26);
			else pen.fillRect(x - 0.5, 44, 1.5, 12);
		}
	}
}

function paintGraph(box, samples) {
	const { pen, width, height, ink } = sheet(box);
	if (samples.length < 2) return;
	const first = time(samples[0].at);
	const last = time(samples.at(-1).at);
	const most = samples.reduce((most, sample) => Math.max(most, sample.count), 1);
	const left = 34;
	const bottom = height - 20;
	const x = (sample) => left + (time(sample.at) - first) / (last - first) * (width - left - 8);
	const y = (sample) => bottom - sample.count / most * (bottom - 10);
	pen.beginPath();
	pen.moveTo(x(samples[0]), bottom);
	for (const sample of samples) pen.lineTo(x(sample), y(sample));
	pen.lineTo(x(samples.at(-1)), bottom);
	pen.globalAlpha = 0.16;
	pen.fillStyle = ink.accent;
	pen.fill();
	pen.globalAlpha = 1;
	pen.beginPath();
	for (const sample of samples) pen.lineTo(x(sample), y(sample));
	pen.strokeStyle = ink.accent;
	pen.lineWidth = 2;
	pen.stroke();
	pen.fillStyle = ink.line;
	pen.fillRect(left, bottom, width - left - 8, 1);
	pen.fillStyle = ink.quiet;
	pen.font = ink.small;
	pen.textAlign = "right";
	pen.fillText(String(most), left - 6, 14);
	pen.fillText("0", left - 6, bottom + 3);
	const day = (at) => shown(at).slice(0, 10);
	pen.fillText(day(last), width - 8, height - 5);
	pen.textAlign = "left";
	pen.fillText(day(first), left, height - 5);
}
