// A number with its name; left empty, it is undefined.
import { paintForm } from './prompt-form.tsx';

export interface NumberFieldProps {
  readonly label: string;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  readonly value: number | undefined;
  readonly placeholder?: string;
  onChange(value: number | undefined): void;
}

export function NumberField({
  label,
  name,
  min,
  max,
  step = 1,
  value,
  placeholder,
  onChange,
}: NumberFieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        form={paintForm}
        inputMode={step === 1 ? 'numeric' : 'decimal'}
        name={name}
        min={min}
        max={max}
        step={step}
        value={value ?? ''}
        required={placeholder === undefined}
        placeholder={placeholder}
        onInput={({ currentTarget }) => {
          const { valueAsNumber } = currentTarget;
          onChange(Number.isNaN(valueAsNumber) ? undefined : valueAsNumber);
        }}
      />
    </label>
  );
}
