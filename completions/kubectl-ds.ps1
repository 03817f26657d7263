# PowerShell completion for kubectl-ds. Add to $PROFILE: kubectl-ds completion powershell | Out-String | Invoke-Expression
# `kubectl-ds __complete` prints one candidate per line, and `:4` as the last line, or `:0` for file names.

Register-ArgumentCompleter -Native -CommandName 'kubectl-ds' -ScriptBlock {
    param($typed, $line, $cursor)

    $words = @($line.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.StartOffset -lt $cursor } |
        ForEach-Object { $_.Extent.Text })
    if ($typed -eq '') {
        # Before 7.3, an empty argument is not passed to a program unless it is quoted twice.
        $isExact = $PSVersionTable.PSVersion -ge [version]'7.3' -and $PSNativeCommandArgumentPassing -ne 'Legacy'
        $words += if ($isExact) { '' } else { '""' }
    }
    # PowerShell replaces the whole word, so each candidate needs the --flag= prefix.
    $flag = if ($typed -match '^--[^=]+=') { $Matches[0] } else { '' }
    foreach ($answer in (& 'kubectl-ds' __complete @words 2>$null)) {
        # Without a candidate, PowerShell completes file names.
        if ($answer -match '^:\d+$') { break }
        $value, $meaning = $answer -split "`t", 2
        if (-not $meaning) { $meaning = $value }
        # Quote other characters, which may be special to PowerShell.
        $written = if ($value -match '[^A-Za-z0-9_./:@%+=,-]') { "'" + ($value -replace "'", "''") + "'" } else { $value }
        [System.Management.Automation.CompletionResult]::new("$flag$written", $value, 'ParameterValue', $meaning)
    }
}
