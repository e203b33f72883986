// What the page reckons, without anything that is shown: under node --test, and in Chromium as well.
// Answers tests as pairs of a name that states the behaviour and a function that throws.

export default function tests({ words, scale, lineage, snapshots, strip, retention, context }) {
  const equal = (is, should) => {
    if (JSON.stringify(is) !== JSON.stringify(should)) {
      throw new Error(`${JSON.stringify(is)} is not ${JSON.stringify(should)}`);
    }
  };
  const near = (is, should, by = 0.01) => {
    if (!(Math.abs(is - should) <= by)) throw new Error(`${is} is not about ${should}`);
  };
  const hour = 3_600_000;
  const day = 24 * hour;
  const now = Date.UTC(2026, 10, 30, 12);
  const columns = (count, { every = hour, ...more } = {}) => ({
    volume: "data", here: null, columns: {
      id: Array.from({ length: count }, (_, index) => index + 1),
      taken_at_ms: Array.from({ length: count }, (_, index) => now - (count - index) * every),
      changed_bytes: new Array(count).fill(4096), kind: new Array(count).fill("scheduled"),
      state: new Array(count).fill("frozen"), name: new Array(count).fill(null),
      set_id: new Array(count).fill(null), holds: new Array(count).fill(0), ...more,
    },
  });
  const reverted = (id, at) => ({ kind: "reverted", snapshot_id: id, time: new Date(at).toISOString() });

  return [
    ["sizes are binary, and rounded as the command line rounds them", () => {
      equal([0, 1023, 1024, 1536, 9830, 10_240, 1_048_575, 2 ** 40].map(words.bytes),
        ["0 B", "1023 B", "1 KiB", "1.5 KiB", "9.6 KiB", "10 KiB", "1 MiB", "1 TiB"]);
      equal(words.bytes(null), "–");
    }],
    ["a length of time has two units while the first is small", () => {
      equal([0, 59, 60, 3599, 3600, 7500, 86_400 * 16, 86_400 * 45].map(words.duration),
        ["0 s", "59 s", "1 min", "59 min", "1 h", "2 h 5 min", "16 d", "1 mo 14 d"]);
    }],
    ["what is to come is not said to be past", () => {
      equal([words.ago(now - 90_000, now), words.ago(now + 90_000, now), words.ago(now, now)],
        ["1 min 30 s ago", "in 1 min 30 s", "now"]);
    }],
    ["moments in UTC say so", () => {
      equal(words.moment(now, true), "2026-11-30 12:00:00 UTC");
      equal(words.moment(NaN, true), "–");
    }],
    ["what hides or turns text is shown as its code", () => {
      equal(words.visible("a\u202eb\u0007\n<b>"), "a\\u{202e}b\\u{7}\\u{a}<b>");
      equal(words.visible("\u00e9\u4e16"), "\u00e9\u4e16");
    }],
    ["a word for a shell is in quotes where it needs them", () => {
      equal(["data@42", "a b", "it's", "$(x)", ""].map(words.shellWord),
        ["data@42", "'a b'", "'it'\\''s'", "'$(x)'", "''"]);
    }],
    ["a command keeps what stands for a choice apart from what is given", () => {
      equal(words.commandLine({ command: "hold", arguments: ["4 2", "reason"], placeholders: [1] }),
        "snapmgr hold '4 2' REASON");
    }],
    ["commands of a message are those in backquotes", () => {
      equal(words.parts("run `snapmgr tick`, then wait"),
        [{ text: "run " }, { command: "snapmgr tick" }, { text: ", then wait" }]);
    }],
    ["the axis gives now its right end and the oldest its left one", () => {
      for (const mode of ["log", "linear"]) {
        const axis = scale.makeScale({ now, oldest: now - 400 * day, left: 20, right: 820, mode });
        near(axis.x(now), 820);
        near(axis.x(now - 400 * day), 20);
        for (const age of [hour, day, 90 * day]) near(axis.time(axis.x(now - age)), now - age, 1000);
      }
    }],
    ["the logarithmic axis gives the last hour more room than the linear one", () => {
      const wide = (mode) => 800 - scale.makeScale({
        now, oldest: now - 365 * day, left: 0, right: 800, mode,
      }).x(now - hour);
      if (!(wide("log") > 200 && wide("linear") < 1)) throw new Error("it does not");
    }],
    ["later is always farther to the right", () => {
      const axis = scale.makeScale({ now, oldest: now - 9 * 365 * day, left: 0, right: 300 });
      let last = -1;
      for (let age = 9 * 365 * day; age >= 0; age -= 7 * day) {
        const x = axis.x(now - age);
        if (x < last) throw new Error(`${x} after ${last}`);
        last = x;
      }
    }],
    ["marks of the axis do not come closer than they may", () => {
      for (const mode of ["log", "linear"]) {
        const axis = scale.makeScale({ now, oldest: now - 800 * day, left: 0, right: 500, mode });
        const marks = scale.ticks(axis, 50, (at) => String(at));
        if (marks.length < 3) throw new Error("too few");
        for (let index = 1; index < marks.length; index += 1) {
          if (marks[index - 1].x - marks[index].x < 49) throw new Error("too close");
        }
      }
    }],
    ["zooming stays within the axis, and around its middle", () => {
      equal(scale.zoomed([0, 1], 0.5, 1), [0.5, 1]);
      equal(scale.zoomed([0.5, 1], 1000, 0.7), [0, 1]);
      equal(scale.moved([0.5, 0.75], 9), [0.75, 1]);
      equal(scale.moved([0.5, 0.75], -9), [0, 0.25]);
    }],
    ["without a revert all snapshots are the live volume's", () => {
      const found = lineage.lineage([1, 2, 3], [10, 20, 30], []);
      equal([[...found.parents], found.live, [...found.isTrunk]], [[-1, 0, 1], 2, [1, 1, 1]]);
    }],
    ["what a revert has left is a branch, and what came since descends from its target", () => {
      const found = lineage.lineage([1, 2, 3, 4], [10, 20, 30, 50], [{ at: 40, snapshot_id: 1 }]);
      equal([[...found.parents], found.live, [...found.isTrunk]], [[-1, 0, 1, 0], 3, [1, 0, 0, 1]]);
    }],
    ["after a revert the volume stands where it went, until it has a snapshot of its own", () => {
      const found = lineage.lineage([1, 2, 3], [10, 20, 30], [{ at: 40, snapshot_id: 2 }]);
      equal([found.live, [...found.isTrunk]], [1, [1, 1, 0]]);
    }],
    ["an undo goes to what the last revert left, and nowhere when that left nothing", () => {
      const undo = (...reverts) => snapshots.fromTimeline({ ...columns(9), reverts }).undo;
      const begun = (safety_snapshot_id, state = "merged") => ({ safety_snapshot_id, state });
      equal([undo(), undo(begun(4), begun(7)), undo(begun(4), begun(null)), undo(begun(4), begun(7, "cancelled"))],
        [null, 7, null, 4]);
    }],
    ["an undo brings what was left back", () => {
      const found = lineage.lineage([1, 2, 3, 4], [10, 20, 30, 49],
        [{ at: 40, snapshot_id: 1 }, { at: 50, snapshot_id: 3 }]);
      equal([found.live, [...found.isTrunk]], [2, [1, 1, 1, 0]]);
    }],
    ["reverts to snapshots that are gone are passed over", () => {
      const found = lineage.lineage([2, 3], [20, 30], [{ at: 40, snapshot_id: 1 }]);
      equal([found.live, [...found.isTrunk]], [1, [1, 1]]);
    }],
    ["what the daemon knows of the place counts more than the events", () => {
      equal(lineage.lineage([1, 2, 3], [10, 20, 30], [], 2).live, 1);
    }],
    ["the nearest snapshot is found on both sides, and at the ends", () => {
      const found = snapshots.fromTimeline(columns(10));
      equal([-9, -2.4, -2.6, 5].map((hours) => snapshots.nearest(found, now + hours * hour)), [1, 8, 7, 9]);
      equal(snapshots.nearest(snapshots.fromTimeline(columns(0)), now), -1);
    }],
    ["35,000 snapshots come to no more marks than there are pixels, and none is lost", () => {
      const found = snapshots.fromTimeline(columns(35_000, { every: hour / 4 }));
      const axis = scale.makeScale({ now, oldest: found.at[0], left: 0, right: 1000 });
      const begin = performance.now();
      const marks = snapshots.bins(found, axis, 3);
      const took = performance.now() - begin;
      equal(marks.reduce((sum, mark) => sum + mark.count, 0), 35_000);
      if (marks.length > 335) throw new Error(`${marks.length} marks`);
      // What no slow machine explains.
      if (took > 5000) throw new Error(`it took ${took} ms`);
    }],
    ["held, named and safety snapshots stand out of a crowd", () => {
      const found = snapshots.fromTimeline(columns(4, {
        name: [null, "a", null, null], holds: [0, 0, 1, 0],
        kind: ["scheduled", "scheduled", "scheduled", "safety"],
      }));
      equal([0, 1, 2, 3].map((index) => snapshots.standsOut(found, index)), [false, true, true, true]);
    }],
    ["a filter finds names in any case, numbers whole, kinds and holds; the newest first", () => {
      const found = snapshots.fromTimeline(columns(12, {
        name: ["Before-Upgrade", ...new Array(11).fill(null)], holds: [...new Array(11).fill(0), 1],
      }));
      equal(snapshots.filtered(found, "before", ""), [0]);
      equal(snapshots.filtered(found, "1", ""), [0]);
      equal(snapshots.filtered(found, "", "held"), [11]);
      equal(snapshots.filtered(found, "", "").slice(0, 2), [11, 10]);
      equal(snapshots.filtered(found, "", "safety"), []);
    }],
    ["reverts are taken from the volume's events", () => {
      const found = snapshots.fromTimeline(columns(5), [reverted(2, now - hour / 2),
        { kind: "held", snapshot_id: 1, time: new Date(now).toISOString() }]);
      equal([found.reverts.length, found.lineage.live], [1, 1]);
    }],
    ["a strip shows each byte where it is, and as much as it is", () => {
      equal([...strip.coverage([{ offset: 0, length: 50 }, { offset: 150, length: 100 }], 400, 4)],
        [0.5, 0.5, 0.5, 0]);
      equal([...strip.coverage([{ offset: 390, length: 100 }], 400, 4)], [0, 0, 0, 0.1]);
    }],
    ["a policy's numbers come to the sliders, and the rest stays as it is", () => {
      const policy = { last: "8", hourly: "48", yearly: '"unlimited"', within: '"6h"', grid: "{ a = 1 }" };
      equal(retention.numbers(policy),
        { last: 8, hourly: 48, daily: 0, weekly: 0, monthly: 0, yearly: 0 });
      equal(retention.others(policy), { yearly: "unlimited", within: "6h" });
      equal(retention.toml("standard", { within: "6h", last: 8 }),
        '[policies.standard]\nwithin = "6h"\nlast = 8');
    }],
    ["a schedule up to an hour is due at the clock's next multiple; others only the daemon knows", () => {
      equal(context.nextDue({ every: '"15m"' }, now + 60_000), now + 15 * 60_000);
      equal(context.nextDue({ every: '"1h"' }, now), now + hour);
      equal(context.nextDue({ every: '"1d"' }, now), null);
      equal(context.nextDue({ calendar: '"daily"' }, now), null);
    }],
    ["lists and texts of the settings come apart into words", () => {
      equal(context.words('["a", "b c"]'), ["a", "b c"]);
      equal(context.words('"standard"'), ["standard"]);
      equal(context.words(null), []);
    }],
  ];
}
