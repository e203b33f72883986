import Manager
import SnapshotModel

/// How merges are shown.
struct MergeTable {
    let display: DisplayOptions

    func text(_ merges: [MergeSummary], on terminal: Terminal) -> String {
        guard !merges.isEmpty else { return "no merge runs\n" }
        var table = Table([
            .init(title: "VOLUME"), .init(title: "SNAPSHOT", alignment: .right),
            .init(title: "STATE", emphasis: StateWords.emphasis),
            .init(title: "MERGED", alignment: .right),
            .init(title: "OF", alignment: .right), .init(title: "KEPT", alignment: .right),
            .init(title: "PROGRESS"),
        ])
        return table.lines(merges.map(row), on: terminal)
    }

    private func row(_ merge: MergeSummary) -> [String] {
        let progress = merge.progress
        return [
            merge.volume, progress.targetID.description, progress.state.rawValue,
            display.size(progress.mergedBytes), display.size(progress.planBytes),
            display.size(progress.preservedBytes),
            DisplayOptions.progress(
                done: progress.mergedBytes, total: progress.planBytes,
                rate: progress.state == .merging ? progress.rate : 0),
        ]
    }
}
