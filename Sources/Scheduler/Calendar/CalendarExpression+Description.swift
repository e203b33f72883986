import SnapshotModel

extension CalendarExpression: CustomStringConvertible {
    /// The normalised form, as `systemd-analyze calendar` prints it.
    package var description: String {
        var text = weekdays == Self.allWeekdays ? "" : weekdayText + " "
        text += "\(Self.text(years, width: 4))-\(Self.text(months))"
        text += "\(countsDaysFromEnd ? "~" : "-")\(Self.text(days))"
        text += " \(Self.text(hours)):\(Self.text(minutes)):\(secondText)"
        if let zoneName { text += " \(zoneName)" }
        return text
    }

    /// Three days or more in a row are a range.
    private var weekdayText: String {
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        var parts: [String] = []
        var day = 0
        while let first = BitSearch.first(in: UInt64(weekdays), atOrAfter: day) {
            day = first
            while day < 7, weekdays >> day & 1 == 1 { day += 1 }
            let last = day - 1
            switch last - first {
            case 0: parts.append(names[first])
            case 1: parts += [names[first], names[last]]
            default: parts.append("\(names[first])..\(names[last])")
            }
        }
        return parts.joined(separator: ",")
    }

    private var secondText: String {
        let everySecond = CalendarComponent(start: 0, stop: nil, step: CalendarField.perSecond)
        guard !seconds.contains(everySecond) else { return "*" }
        return Self.text(seconds, unit: CalendarField.perSecond)
    }

    private static func text(_ chain: CalendarChain, width: Int = 2, unit: Int = 1) -> String {
        guard !chain.isEmpty else { return "*" }
        return chain.map { component in
            var text = number(component.start, width: width, unit: unit)
            if let stop = component.stop {
                text += ".." + number(stop, width: width, unit: unit)
            }
            if component.step > 0, component.stop == nil || component.step != unit {
                text += "/" + number(component.step, width: 1, unit: unit)
            }
            return text
        }
        .joined(separator: ",")
    }

    private static func number(_ value: Int, width: Int, unit: Int) -> String {
        let fraction = value % unit
        return (value / unit).padded(to: width)
            + (fraction > 0 ? "." + fraction.padded(to: 6) : "")
    }
}
