internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    func decodeSchedules() {
        for (name, table) in tables.tables(.schedules) {
            let reader = TableReader<ScheduleKey>(table, diagnostics: diagnostics)
            let timetable = timetable(reader)
            let tags = tags(reader)
            let ifUnchanged = reader.choice(.ifUnchanged, Schedule.IfUnchanged.self)
            let zone = scheduleZone(reader, timetable, table)
            showSchedule(reader, timetable, table)
            guard let timetable else { continue }
            settings.schedules[name] = Schedule(
                name: name, timetable: timetable, zone: zone, ifUnchanged: ifUnchanged ?? .take,
                tags: tags)
        }
    }

    private func timetable(_ reader: TableReader<ScheduleKey>) -> Timetable? {
        let table = Quote.path(reader.path)
        switch (reader.node(.every), reader.node(.calendar)) {
        case (nil, nil):
            diagnostics.error(
                "\(table) has neither every nor calendar", at: reader.position,
                hint: "add every = \"15m\" or calendar = \"daily\"")
            return nil
        case (_?, let calendar?):
            diagnostics.error(
                "\(table) has both every and calendar", at: calendar.position,
                hint: "keep one of them, and make a schedule of the other")
            return nil
        case (_?, nil): return every(reader)
        case (nil, _?):
            return reader.parsed(
                .calendar, expected: "a calendar expression",
                CalendarExpression.init(parsing:)
            ).map(Timetable.calendar)
        }
    }

    private func every(_ reader: TableReader<ScheduleKey>) -> Timetable? {
        guard let text = reader.text(.every, expected: "a duration in quotes, such as \"15m\""),
            let span = reader.parsed(text, of: .every, TimeSpan.init(parsing:))
        else { return nil }
        guard span >= Timetable.shortestSpan else {
            reader.refuse(
                text.node, "\(reader.name(.every)) is \(span)",
                hint: "a schedule can be due every minute at most")
            return nil
        }
        return .every(span)
    }

    private func tags(_ reader: TableReader<ScheduleKey>) -> [String] {
        (reader.texts(.tags) ?? []).compactMap { text in
            guard !text.text.isEmpty else {
                reader.refuse(text.node, "\(reader.name(.tags)) has an empty tag")
                return nil
            }
            return text.text
        }
    }

    /// A calendar expression may end in a time zone, as systemd's may.
    private func scheduleZone(
        _ reader: TableReader<ScheduleKey>, _ timetable: Timetable?, _ table: NamedTable
    ) -> TimeZoneRules {
        if case .calendar(let calendar)? = timetable, let name = calendar.zoneName,
            let node = reader.node(.calendar)
        {
            if let key = reader.node(.timeZone) {
                reader.refuse(
                    key, "\(Quote.path(table.path)) has a time zone in calendar, too",
                    hint: "keep one of them")
            }
            return zone(name, of: reader.name(.calendar), at: node.position) ?? .utc
        }
        guard reader.node(.timeZone) != nil else { return defaultZone(for: table) }
        return zone(.timeZone, in: reader) ?? .utc
    }

    private func showSchedule(
        _ reader: TableReader<ScheduleKey>, _ timetable: Timetable?, _ table: NamedTable
    ) {
        var standards: [ScheduleKey: EffectiveStandard] = [
            .ifUnchanged: EffectiveStandard(
                TOMLText.quoted(Schedule.IfUnchanged.take.rawValue), .standard),
            .tags: EffectiveStandard("[]", .standard),
        ]
        if case .calendar(let calendar)? = timetable, calendar.zoneName != nil {
        } else {
            standards[.timeZone] = standard(.timeZone)
        }
        show(table, reader, standards: standards)
    }
}
