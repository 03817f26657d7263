# Completion of @FILE@ in PowerShell. For $PROFILE: @FILE@ completion powershell | Out-String | Invoke-Expression
# The words come from the program itself: `@FILE@ __complete` prints a candidate a line, and last `:4`, or `:0` for files.

Register-ArgumentCompleter -Native -CommandName '@FILE@' -ScriptBlock {
    param($typed, $line, $cursor)

    $words = @($line.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.StartOffset -lt $cursor } |
        ForEach-Object { $_.Extent.Text })
    if ($typed -eq '') {
        # Before 7.3 an empty argument gets lost on its way to a program unless it is quoted twice.
        $isExact = $PSVersionTable.PSVersion -ge [version]'7.3' -and $PSNativeCommandArgumentPassing -ne 'Legacy'
        $words += if ($isExact) { '' } else { '""' }
    }
    # PowerShell replaces the whole word, so --flag= has to stand in each candidate.
    $flag = if ($typed -match '^--[^=]+=') { $Matches[0] } else { '' }
    foreach ($answer in (& '@FILE@' __complete @words 2>$null)) {
        # Without a candidate PowerShell goes on to files by itself.
        if ($answer -match '^:\d+$') { break }
        $value, $meaning = $answer -split "`t", 2
        if (-not $meaning) { $meaning = $value }
        # Other characters may mean something to PowerShell.
        $written = if ($value -match '[^A-Za-z0-9_./:@%+=,-]') { "'" + ($value -replace "'", "''") + "'" } else { $value }
        [System.Management.Automation.CompletionResult]::new("$flag$written", $value, 'ParameterValue', $meaning)
    }
}
