internal import SnapshotModel

extension String {
    /// Its beginning, of so many Unicode scalars at most: a Character may be as long as its writer likes.
    func cut(toScalars maximum: Int) -> String {
        guard
            let end = unicodeScalars.index(
                startIndex, offsetBy: maximum, limitedBy: endIndex), end < endIndex
        else { return self }
        return String(unicodeScalars[..<end]) + "..."
    }
}

extension Problem {
    /// Of what others say so many Unicode scalars are kept, and no more.
    static let scalarMaximum = 1024

    /// What is kept of it, so that a record and an event with it stay small.
    var bounded: Problem {
        var problem = self
        problem.message = message.cut(toScalars: Self.scalarMaximum)
        if let hint {
            let words = Wording.plain.text(hint)
            let cut = words.cut(toScalars: Self.scalarMaximum)
            if cut != words { problem.hint = Advice(cut) }
        }
        return problem
    }

    /// What another site says: its words, as words only, and of its kinds those that are of its state alone.
    ///
    /// - Parameter place: names it.
    func told(by place: String) -> Problem {
        let code: Code =
            switch self.code {
            case .refused, .locked, .corrupt, .newerVersion, .noSpace, .notFound: self.code
            default: .failed
            }
        let said = message.cut(toScalars: Self.scalarMaximum).escapedForPeople
        let advice = hint.map {
            Wording.plain.text($0).cut(toScalars: Self.scalarMaximum).escapedForPeople
        }
        return Problem(
            code, "\(place) says: \(said)".cut(toScalars: Self.scalarMaximum),
            hint: advice.map { Advice("there: \($0)".cut(toScalars: Self.scalarMaximum)) })
    }
}
