internal import System
internal import Catalog
internal import Scheduler
internal import Settings
internal import SnapshotModel

/// Compares the wall clock with what the catalog remembers of the clocks: see ``ClockMemory``.
struct ClockJudge {
    private let context: ManagerContext
    /// Nil when they cannot be read: then no slot explains anything.
    private let settings: Settings?

    init(_ context: ManagerContext, _ settings: Settings?) {
        self.context = context
        self.settings = settings
    }

    /// By which moment snapshots grow old. Nothing is remembered.
    func look() throws -> ClockJudgement {
        let reading = context.clock.reading()
        return try memory(known: try known(), reading).judgement(at: reading)
    }

    /// As ``look()``, and remembers it; a doubt that begins or ends is logged.
    @discardableResult
    func record() throws -> ClockJudgement {
        // Read and written at once: another command may have learnt something between.
        try context.catalog.atomically("recording the clocks") {
            let reading = context.clock.reading()
            let old = try known()
            let new = try memory(known: old, reading)
            let judgement = new.judgement(at: reading)
            try context.catalog.setClock(ClockRow(new))
            let wasInDoubt = old?.judgement(at: reading).isInDoubt ?? false
            if judgement.isInDoubt, old?.deviation == nil || !wasInDoubt {
                try context.log(
                    .warning, .clockDoubted, context.wording.text(judgement.doubt))
            } else if !judgement.isInDoubt, wasInDoubt {
                try context.log(.clockBelieved, "the clock has run steadily, and is believed")
            }
            return judgement
        }
    }

    /// Believes the wall clock from now on: people say that it is right.
    func accept() throws {
        let reading = context.clock.reading()
        try context.catalog.atomically("accepting the clock") {
            try context.catalog.setClock(ClockRow(ClockMemory(anchor: reading)))
            try context.log(.clockBelieved, "the clock was accepted by hand")
        }
    }

    private func known() throws -> ClockMemory? {
        try context.catalog.clock().map(ClockMemory.init)
    }

    private func memory(known: ClockMemory?, _ reading: ClockReading) throws -> ClockMemory {
        let marks = try context.catalog.scheduleMarks()
        let slots = marks.values.flatMap(\.served)
        let lastKnown = ([try context.catalog.newestMoment()] + slots).compactMap { $0 }.max()
        return ClockMemory.after(
            known, reading: reading, lastKnown: lastKnown,
            reach: reach(marks, until: known?.anchor.wall ?? lastKnown))
    }

    /// Until when it is normal that no slot is served.
    ///
    /// - Parameter believed: the last moment that is known for certain. A slot after it was served by
    ///   a clock that nobody had looked at, and explains nothing.
    private func reach(
        _ marks: [ScheduleKey: ScheduleMarks], until believed: Timestamp?
    ) -> Timestamp? {
        guard let settings, let believed else { return nil }
        let latest = believed.advanced(bySeconds: ClockMemory.toleranceSeconds)
        let volumes = settings.volumes.values.map { (ScheduleTarget.volume($0.name), $0.schedules) }
        let sets = settings.sets.values.map { (ScheduleTarget.set($0.name), $0.schedules) }
        let next = (volumes + sets).flatMap { target, schedules in
            schedules.compactMap { schedule -> Timestamp? in
                let key = ScheduleKey(target: target, schedule: schedule.name)
                let served = marks[key]?.served.filter { $0 <= latest }.max()
                return served.flatMap(schedule.nextSlot)
            }
        }
        // The schedule that comes most often tells most.
        return next.min()
    }
}

extension ClockRow {
    fileprivate init(_ memory: ClockMemory) {
        self.init(
            anchor: memory.anchor, since: memory.deviation?.since, last: memory.deviation?.last,
            steadyNanoseconds: memory.deviation?.steadyNanoseconds ?? 0)
    }
}

extension ClockMemory {
    fileprivate init(_ row: ClockRow) {
        self.init(anchor: row.anchor)
        guard let since = row.since, let last = row.last else { return }
        deviation = Deviation(
            since: since, last: last, steadyNanoseconds: max(0, row.steadyNanoseconds))
    }
}

// MARK: - Clocks of no use

extension ManagerContext {
    /// Why nothing can be dated now; nil when the clock shows a moment that can be recorded.
    var clockProblem: Problem? {
        let now = clock.now()
        guard !Timestamp.recordable.contains(now) else { return nil }
        let side = now < Timestamp.recordable.lowerBound ? "before 1900" : "after 2500"
        return Problem(
            .failed, "the clock shows a time \(side), which cannot be recorded",
            hint: "set the clock of this machine, then run the command again")
    }

    /// - Throws: when what is done now could not be dated.
    func requireClock() throws {
        if let clockProblem { throw clockProblem }
    }
}
