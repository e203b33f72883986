// Asks the daemon. Documents are those of --json.

const BASE = "/api/v1";

/** Why a request failed, in the daemon's words. */
export class Failure extends Error {
	constructor(status, { code = "failed", message, hint = null, commands = [] }) {
		super(message);
		Object.assign(this, { status, code, hint, commands });
	}
}

/** What is called when the daemon does not know who asks; when somebody was there last. */
export const session = { whenMissing: () => {}, touched: Date.now() };

/** A path of names that may have any character. */
export function path(...names) {
	return `/${names.map((name) => encodeURIComponent(name)).join("/")}`;
}

function address(path, query = {}) {
	const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
	const text = new URLSearchParams(known).toString();
	return `${BASE}${path}${text ? `?${text}` : ""}`;
}

/** The document at a path. */
export function get(path, query, { signal } = {}) {
	return ask(address(path, query), { signal });
}

/** The same, or another value where there is no such path. */
export async function getIfThere(path, query, otherwise = null) {
	try {
		return await get(path, query);
	} catch (error) {
		if (error.status === 404 || error.status === 501) return otherwise;
		throw error;
	}
}

/** Asks for a change. With a key it is the same request, however often it arrives. */
export function change(method, path, body, { key = null } = {}) {
	const headers = {};
	if (key) headers["Idempotency-Key"] = key;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	return ask(address(path), {
		method, headers, body: body === undefined ? undefined : JSON.stringify(body),
	});
}

async function ask(url, { headers = {}, ...options }) {
	// A session ends when nobody is there, though the page asks.
	if (Date.now() - session.touched > 6e4) headers["X-Snapmgr-Unattended"] = "1";
	let response;
	try {
		response = await fetch(url, { headers, cache: "no-store", ...options });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Failure(0, {
			code: "unreachable", message: "the daemon does not answer",
			hint: "see `systemctl status snapmgr-daemon` on that machine",
		});
	}
	const text = await response.text();
	let document;
	try {
		document = text ? JSON.parse(text) : {};
	} catch {}
	if (response.ok && document) return document;
	if (response.status === 401) session.whenMissing();
	throw new Failure(response.status, document?.error ?? {
		message: `the daemon answered ${response.status} ${response.statusText}`,
	});
}

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** The result of a change, when its job has ended; who waits is told of its progress. */
export async function finished(answer, onProgress = () => {}) {
	let { job } = answer;
	if (!job) return answer;
	for (;;) {
		onProgress(job);
		if (job.state === "done") return job.result ?? {};
		if (job.state === "failed") {
			throw new Failure(job.status ?? 200, job.error ?? { message: "the job failed" });
		}
		await pause(400);
		({ job } = await get(path("jobs", job.id)));
	}
}

/** Where a file of a snapshot is downloaded from. */
export function fileAddress(snapshot, filePath) {
	return address(path("snapshots", snapshot) + "/file", { path: filePath });
}

/** Follows what happens; the browser connects again by itself and says what it saw last. */
export function follow(onEvent, onState) {
	const source = new EventSource(address("/events/stream"));
	const told = (event) => {
		try {
			onEvent(JSON.parse(event.data));
		} catch {
			// It is passed over: the next one may be known.
		}
	};
	source.addEventListener("snapmgr", told);
	source.addEventListener("open", () => onState(true));
	source.addEventListener("error", () => onState(false));
	return () => source.close();
}
