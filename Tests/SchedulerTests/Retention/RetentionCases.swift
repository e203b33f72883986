import FoundationEssentials
import Scheduler
import SnapshotModel
import Testing

/// The cases that other tools' tests and manuals assert: the project's copy, or the file that
/// SNAPMGR_RETENTION_CASES names.
private let caseFile = Result { () throws -> [String: JSONValue] in
    let own = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/retention-cases.json")
    let named = ProcessInfo.processInfo.environment["SNAPMGR_RETENTION_CASES"]
    let data = try Data(contentsOf: named.map { URL(filePath: $0) } ?? own)
    return try JSONDecoder().decode(JSONValue.self, from: data).object("cases")
}

/// A case before the adapter has looked at it.
private struct RawCase: Sendable, CustomTestStringConvertible {
    var value: JSONValue

    var testDescription: String {
        guard case .object(let fields) = value, case .string(let id)? = fields["id"] else {
            return "a case without id"
        }
        return id
    }

    /// None if the file cannot be read, which is a test of its own.
    static var all: [RawCase] {
        guard let file = try? caseFile.get(), case .array(let cases)? = file["cases"] else {
            return []
        }
        return cases.map(RawCase.init)
    }
}

@Suite("Retention as restic and zrepl have it, by their own tests and manuals")
struct RetentionCases {
    @Test("there are cases, and every part of the file is known")
    func present() throws {
        let file = try caseFile.get()
        #expect(try file["schema"]?.string("schema") == "snapmgr-retention-cases/1")
        let known: Set = ["schema", "about", "families", "fixtures", "cases", "calendar"]
        #expect(known.isSuperset(of: file.keys))
        #expect(!RawCase.all.isEmpty)
    }

    @Test("the same snapshots are kept, for the same reasons", arguments: RawCase.all)
    fileprivate func kept(raw: RawCase) throws {
        let fixtures = try caseFile.get()["fixtures"]?.object("fixtures") ?? [:]
        let test = try RetentionCase(raw.value, fixtures: fixtures)
        let all = Set(test.names.values)
        // zrepl keeps everything without a rule, restic nothing.
        let keepsAll = test.family == .zrepl && test.policy.isEmpty
        let evaluation = PolicyEvaluation(test.policy, of: test.subjects, now: test.now)
        let kept = keepsAll ? all : Set(evaluation.survivors.compactMap { test.names[$0.id] })
        let expected = test.keep ?? all.subtracting(test.remove ?? [])
        #expect(kept == expected, "\(test.id)")
        if let removed = test.remove { #expect(all.subtracting(kept) == removed, "\(test.id)") }
        checkReasons(of: test)
    }

    /// A plan's reasons, in restic's words.
    private func checkReasons(of test: RetentionCase) {
        let plan = PrunePlan(test.policy, of: test.subjects, now: test.now)
        for decision in plan.decisions {
            guard let name = test.names[decision.subject.id], let expected = test.reasons[name]
            else { continue }
            let found = decision.reasons.filter { $0.source != "newest" }.map(resticWords)
            #expect(Set(found) == expected, "\(test.id), \(name)")
        }
    }

    private func resticWords(_ reason: KeepReason) -> String {
        let parts = reason.source.dropLast().split(separator: "(", maxSplits: 1)
        let value = parts.count > 1 ? String(parts[1]) : ""
        let prefix = reason.detail.hasPrefix("the oldest of all") ? "oldest " : ""
        switch parts[0] {
        case "within": return "within \(value)"
        case "tags": return "has tags [\(value.split(separator: ",").joined(separator: ", "))]"
        case let kind where kind.hasPrefix("within-"):
            return "\(prefix)\(kind.dropFirst("within-".count)) within \(value)"
        case let kind: return "\(prefix)\(kind) snapshot"
        }
    }

    @Test("weeks are those of ISO 8601, as snapper's tests have them")
    func weeks() throws {
        let pairs = try caseFile.get()["calendar"]?.array("calendar") ?? []
        for pair in pairs {
            var fields = try CaseFields(pair, "calendar")
            for name in ["source", "kind", "rechecked", "notes"] { _ = fields.take(name) }
            let id = try fields.takeString("id") ?? "?"
            let texts = try [fields.takeString("a"), fields.takeString("b")]
            let isSame = try fields.take("same_week")?.bool(id)
            try fields.finish()
            let policy = RetentionPolicy(.buckets(.weekly, .all))
            let kept = policy.survivors(of: snapshots(at: texts.compactMap { $0.map(moment) }))
            #expect(isSame != nil && (kept.count == 1) == isSame, "\(id)")
        }
    }
}
